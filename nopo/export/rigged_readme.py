"""The README of a rigged archive: its indented lines are one Python program, which the tests run."""

from string import Template

README = Template(r"""A person as 3D Gaussians with a skeleton. Metres, +y up, facing +z, the left hand at +x.

gaussians.ply          N Gaussians in the T-pose, the bind pose; a standard 3D Gaussian splatting file
joint_weights.npy      [N, 55] skinning weights, rows sum to 1, in the order of the Gaussians
rest_joints.npy        [55, 3] the joints in the bind pose
bind_pose.npy          [55, 4, 4] the joints in the bind pose as matrices, joint to world
joint_names.npy        [55] the joints of SMPL-X, by their names
joint_parents.npy      [55] the joint above each joint; -1 for the pelvis
bone_weights.npy       [N, 69] finer weights, one for each segment between two joints
bone_joints.npy        [69] the joint that each segment moves with
skeleton.json          names, parents and places of the joints once more, for programs that read no .npy
motion_rotations.npy   [T, 55, 3, 3] rotation of each joint relative to the one above it  (if a motion was chosen)
motion_transl.npy      [T, 3] how far the pelvis is from its place in the bind pose       (if a motion was chosen)
motion_fps.npy         frames a second                                                    (if a motion was chosen)

To skin the Gaussians in Python, load them,

    import numpy as np
    rig = np.load("$file")  # numpy opens the .zip itself
    rest, parents, ply = rig["rest_joints"], rig["joint_parents"], rig["gaussians.ply"]
    rows = np.frombuffer(ply, "<f4", offset=ply.index(b"end_header\n") + 11).reshape(len(rig["joint_weights"]), -1)
    means, scales, (w, x, y, z) = rows[:, :3], np.exp(rows[:, -7:-4]), rows[:, -4:].T
    axes = np.array([[1-2*(y*y+z*z), 2*(x*y-w*z), 2*(x*z+w*y)], [2*(x*y+w*z), 1-2*(x*x+z*z), 2*(y*z-w*x)],
                     [2*(x*z-w*y), 2*(y*z+w*x), 1-2*(x*x+y*y)]]).transpose(2, 0, 1)  # [N, 3, 3]
    covars = axes * scales[:, None] ** 2 @ axes.transpose(0, 2, 1)  # [N, 3, 3]

pose the skeleton with a rotation matrix for each joint,

    def pose(rotations, transl):  # [55, 3, 3] and [3] -> [55, 3, 4], bind pose to posed
        world = np.tile(np.eye(4), (55, 1, 1))
        world[:, :3, :3] = rotations
        world[:, :3, 3] = rest - np.where(parents[:, None] < 0, -transl, rest[parents])
        for joint in range(1, 55):
            world[joint] = world[parents[joint]] @ world[joint]
        return (world @ np.linalg.inv(rig["bind_pose"]))[:, :3]

    transforms = pose($rotations, $transl)

and skin, in three lines:

    blend = np.einsum("nj,jab->nab", rig["joint_weights"], transforms)  # [N, 3, 4]
    means = np.einsum("nab,nb->na", blend[:, :, :3], means) + blend[:, :, 3]
    covars = blend[:, :, :3] @ covars @ blend[:, :, :3].transpose(0, 2, 1)

Opacities and colours stay as they are. nopo's own pictures and videos, of an avatar of the open model, also draw splats
out where their neighbours move apart, so that no stripes open over bent joints (nopo/stretch.py).
""")
