"""Network architectures."""

from instseg.models.quick_import import import_torchvision

import_torchvision()
