"""Many people in one go: a folder of photos for each, results in a folder for each, a table and a sheet at the end."""
