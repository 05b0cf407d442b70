"""A learning rate that falls when nothing improves."""

from instseg.training.plateau import Plateau


def test_the_rate_falls_after_epochs_without_improvement_from_the_last_change_on():
    plateau = Plateau(patience=2)
    factors = []
    for epoch, improved in enumerate([True, False, False, False, False, True, False], start=1):
        plateau.epoch_done(epoch, improved=improved)
        factors.append(plateau.factor)
    assert factors == [1, 1, 0.1, 0.1, 0.01, 0.01, 0.01]


def test_without_patience_it_never_falls():
    plateau = Plateau()
    for epoch in range(1, 9):
        plateau.epoch_done(epoch, improved=False)
    assert plateau.factor == 1


def test_its_state_goes_on_where_it_was():
    plateau, other = Plateau(patience=1), Plateau(patience=1)
    plateau.epoch_done(1, improved=False)
    other.load_state_dict(plateau.state_dict())
    assert other == plateau
