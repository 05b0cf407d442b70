"""The service on a cluster: serve run --working-dir docs ray_serve:build weights=photos."""

import os

from ray import serve
from ray.serve import Application


def build(arguments: dict[str, str]) -> Application:
    """The application of Ray Serve.

    Args:
        arguments: `weights`, a name or a path on all machines; `gpus`, of each replica, 0 or 1;
            `least` and `most` replicas.
    """
    weights = arguments.get("weights", "photos")
    gpus = int(arguments.get("gpus", "0"))
    key = os.environ.get("INSTSEG_API_KEY")  # of the machine that deploys

    def application():
        """Made in each replica."""
        from instseg import Predictor, make_app

        batch_size = 8 if gpus else 1
        return make_app(
            Predictor(weights, batch_size=batch_size), batch_size=batch_size, api_key=key
        )

    @serve.deployment(
        name="instseg",
        autoscaling_config={
            "min_replicas": int(arguments.get("least", "1")),
            "max_replicas": int(arguments.get("most", "8")),
            "target_ongoing_requests": 2 + 14 * gpus,
        },
        max_ongoing_requests=4 + 28 * gpus,  # of a replica, all of which it takes
        max_queued_requests=256,  # beyond these, Ray answers with 503
        health_check_period_s=10,
        graceful_shutdown_timeout_s=30,
        ray_actor_options={"num_cpus": 1, "num_gpus": gpus},
    )
    @serve.ingress(application)
    class Service:
        """A predictor, one on each core or GPU."""

    return Service.bind()
