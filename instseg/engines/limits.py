"""The names of the constants of a detector's graph that say which detections it gives."""

THRESHOLDS = "score_thresholds"  # float32 (K + 1,), by class id
MAX_DETECTIONS = "max_detections"  # int64 ()
