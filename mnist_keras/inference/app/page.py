"""What is on the page of the app, and what calls what. Raises `ImportError` if gradio is not installed."""

import importlib.resources
from typing import Any

import gradio as gr

from mnist_keras.inference.app.reader import MAX_BYTES, Reader
from mnist_keras.inference.writing import WRITINGS

# Pixels of the sheet to draw on: for a digit, for a number.
SHEET, WIDE_SHEET = ((440, 440), (880, 440))
HEAD = (
    "<h1>Which digit is this?</h1><p>Draw one. A model reads it while you draw, on this computer: "
    "no picture leaves it.</p>"
)


def build_page(reader: Reader) -> gr.Blocks:
    """Returns the page."""
    with gr.Blocks(title="mnist_keras", analytics_enabled=False) as page:
        gr.HTML(HEAD, elem_id="title")
        with gr.Tab("A digit"), gr.Row():
            with gr.Column():
                digit_sheet = _sheet(SHEET, "Draw a digit here", "digit-sheet")
            with gr.Column():
                empty = reader.read_digit(None, reader.model, "auto")
                digit = gr.HTML(empty, elem_id="digit-answer")
        with gr.Tab("A number"):
            number_sheet = _sheet(WIDE_SHEET, "Write a number here", "number-sheet")
            empty = reader.read_number(None, reader.model, "auto")
            number = gr.HTML(empty, elem_id="number-answer")
        with gr.Row():
            model = gr.Dropdown(
                reader.models, value=reader.model, label="Model", filterable=False, min_width=280
            )
            writing = gr.Radio(
                list(WRITINGS),
                value="auto",
                label="Writing",
                info="Where the writer learned to write a 1 and a 7.",
                min_width=280,
                visible=reader.knows_schools(reader.model),
            )

        def choose(model: str) -> gr.Radio:
            return gr.Radio(value="auto", visible=reader.knows_schools(model))

        live: dict[str, Any] = {"queue": False, "api_visibility": "private"}
        live |= {"show_progress": "hidden", "trigger_mode": "always_last"}  # no flicker, no backlog
        chosen = model.change(choose, model, writing, **live)
        for sheet, read, answer in (
            (digit_sheet, reader.read_digit, digit),
            (number_sheet, reader.read_number, number),
        ):
            inputs = [sheet, model, writing]
            sheet.change(read, inputs, answer, **live)
            writing.change(read, inputs, answer, **live)
            chosen.then(read, inputs, answer, queue=False, api_visibility="private")
    return page


def _sheet(size: tuple[int, int], invitation: str, name: str) -> gr.HTML:
    """Returns a sheet to draw on, which also takes photos."""
    return gr.HTML(
        html_template=_part("pad.html"),
        js_on_load=_part("pad.js"),
        width=size[0],
        height=size[1],
        invitation=invitation,
        elem_id=name,
        apply_default_css=False,
    )


def _part(name: str) -> str:
    """Returns a file of the page."""
    folder = importlib.resources.files("mnist_keras.inference.app") / "static"
    return (folder / name).read_text(encoding="utf-8")


def mount_page(app: Any, page: gr.Blocks) -> Any:
    """Returns the web application with the page in it."""
    theme = gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],  # nothing from other servers
        font_mono=["ui-monospace", "monospace"],
    ).set(
        body_text_color_subdued="*neutral_600",  # the theme's own is too faint to read
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
    )
    return gr.mount_gradio_app(
        app,
        page,
        "/",
        theme=theme,
        css=_part("app.css"),
        max_file_size=MAX_BYTES,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        pwa=False,
        show_error=False,
    )
