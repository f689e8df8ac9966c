"""The pages that look at the recurrent layers themselves, of any model."""

from __future__ import annotations

from unrolled.inspection.course import Course
from unrolled.inspection.gates import Gates
from unrolled.inspection.gradient_flow import GradientFlow
from unrolled.inspection.report import verdicts
from unrolled.inspection.report.figures import course_figures, plane, titled
from unrolled.inspection.report.pages import Page
from unrolled.inspection.spectrum import Spectrum


def gradient_page(flow: GradientFlow, course: Course) -> Page:
    """The gradient on its way back, and how far it reached while the model was trained."""
    figure = titled(flow.figure(), "How the gradient changes on its way back")
    said = verdicts.of_gradient(flow, course)
    return Page("gradient", said, verdicts.gradient_numbers(flow), (figure, *course_figures(course)[0]))


def spectrum_page(found: Spectrum, course: Course) -> Page:
    """Eigenvalues, and the spectral radii while the model was trained."""
    title = "Eigenvalues in the complex plane, and the unit circle"
    drawn = [titled(plane(found.figure()), title)] if found.matrices else []
    figures = (*drawn, *course_figures(course)[1])
    return Page("spectrum", verdicts.of_spectrum(found), verdicts.spectrum_numbers(found), figures)


def gates_page(found: Gates) -> Page:
    """Histograms of the gates, and time constants where a gate keeps a state."""
    figures = [titled(found.figure(), "How often each gate has which value")] if found.gates else []
    if any(gate.time_constants is not None for gate in found.gates):
        figures.append(titled(found.time_figure(), "How long each unit keeps its state"))
    return Page("gates", verdicts.of_gates(found), verdicts.gates_numbers(found), tuple(figures))
