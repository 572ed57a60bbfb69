"""What is imported first where there is no CVMFS: names of files in there are names."""

from omegaconf import OmegaConf
from pocket_coffea.parameters import defaults


def register(group_tags=None):
    OmegaConf.register_new_resolver("cvmfs", lambda *parts: "/cvmfs/" + "/".join(parts), replace=True)


defaults.setup_cvmfs_resolver = register
