"""Bodies: the shared skeleton, its kinematics, template maps, and the body models built on them."""
