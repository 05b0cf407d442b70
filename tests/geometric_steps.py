"""Steps of an augmentation that move photos and masks, each certain to do something."""

GEOMETRIC = [
    {"RandomHorizontalFlip": {"p": 1.0}},
    {"RandomVerticalFlip": {"p": 1.0}},
    {"RandomRotation": {"degrees": 40}},
    {"RandomRotation": {"degrees": [60, 80], "expand": True}},
    {"RandomAffine": {"degrees": 10, "translate": [0.2, 0.2], "scale": [0.6, 1.5], "shear": 10}},
    {"RandomPerspective": {"p": 1.0}},
    {"ElasticTransform": {"alpha": 60, "sigma": 4}},
    {"RandomCrop": {"size": [90, 70]}},
    {"RandomCrop": {"size": [200, 150]}},
    {"RandomResizedCrop": {"size": [130, 100], "scale": [0.3, 1.0]}},
    {"RandomZoomOut": {"p": 1.0, "side_range": [1.0, 1.6]}},
    {"ScaleJitter": {"target_size": [160, 120], "scale_range": [0.6, 1.6]}},
    {"RandomShortestSize": {"min_size": [90, 200], "max_size": 300}},
]
