"""Reports for tests, and names that would do harm as markup."""

import numpy as np

from instseg.report.components import (
    Bar,
    Bars,
    Finding,
    Findings,
    Line,
    Lines,
    Matrix,
    Number,
    Numbers,
    Page,
    Picture,
    Prose,
    Section,
    Table,
)

EVIL = "</script><img src=x onerror=alert(1)>"


def page_of_all(name="cat"):
    """A page with all static components, in which everything is called so."""
    return Page(
        title=f"About {name}",
        subtitle=name,
        sections=[
            Section(
                title=name,
                components=[
                    Numbers(title=name, numbers=[Number(label=name, value=name, detail=name)]),
                    Prose(title=name, paragraphs=[name]),
                    Table(title=name, columns=[name, "AP"], rows=[[name, 0.25], ["-", None]]),
                ],
            ),
            Section(
                title=name,
                components=[
                    Bars(
                        title=name,
                        bars=[Bar(label=name, value=0.5, interval=(0.4, 0.6), detail=name)],
                        other={name: 0.1},
                        names=(name, name),
                    ),
                    Lines(
                        title=name,
                        lines=[Line(name=name, x=[0], y=[1])] * 2,
                        x_label=name,
                        y_label=name,
                        diagonal=True,
                    ),
                    Matrix(
                        title=name,
                        counts=np.eye(2, dtype=np.int64),
                        rows=[name, "dog"],
                        columns=[name, "dog"],
                        row_title=name,
                        column_title=name,
                    ),
                    Findings(
                        title=name,
                        findings=[
                            Finding(
                                severity="error", text=name, mend=name, examples=[name], tag=name
                            )
                        ],
                    ),
                    Picture(title=name, alt=name, png=b"\x89PNG\r\n\x1a\n" + bytes(16)),
                ],
            ),
        ],
        details={name: name},
    )
