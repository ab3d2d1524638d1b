"""What takes time only once, done before the page opens: no visitor waits for a compiler."""

from __future__ import annotations

import logging
import time

LOGGER = logging.getLogger(__name__)


def get_ready() -> None:
    """Compile the renderer (or read what an earlier start compiled), and load matting, body and motions.

    Draws one small picture the way the page draws them, posed and on every core, and bakes one small texture.

    Raises:
        NopoError: something that the page cannot do without is missing.
    """
    LOGGER.info("Getting ready. The first start compiles the renderer, for ten seconds or so.")
    start = time.perf_counter()
    import torch

    from nopo import show
    from nopo.avatar import Avatar
    from nopo.body.open import load_open_body
    from nopo.body.skeleton import joint_weights_from_bones
    from nopo.export.mesh import body_mesh
    from nopo.export.texture import bake_texture
    from nopo.gaussians import Gaussians
    from nopo.preprocess import matte
    from nopo.render import warm_up

    matte.load_session(matte.best_present())
    warm_up()
    body = load_open_body()
    means = body.vertices()  # [N, 3]
    covars = torch.eye(3).expand(len(means), 3, 3) * 1e-4
    cloud = Gaussians(means, covars, torch.ones(len(means)), torch.zeros(len(means), 1, 3))
    avatar = Avatar(cloud, body.bone_weights, body.rest_joints(), "ready")
    show.view(avatar, size=64)
    bake_texture(body_mesh(avatar), cloud, joint_weights_from_bones(avatar.bone_weights), size=32)
    LOGGER.info("Ready in %.1f s.", time.perf_counter() - start)
