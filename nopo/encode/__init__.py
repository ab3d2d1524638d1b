"""The network: photos in, canonical Gaussians with bone weights out."""
