"""The network: photos in, canonical Gaussians with bone weights out."""

from nopo.encode.branch import Branch
from nopo.encode.checkpoint import load_network, save_network
from nopo.encode.config import ModelConfig
from nopo.encode.network import Network
from nopo.encode.prediction import Prediction

__all__ = ["Branch", "ModelConfig", "Network", "Prediction", "load_network", "save_network"]
