"""Results as files: videos and pictures, Gaussians, a skinned mesh, a web page."""
