"""An ONNX file names its classes."""

import json

from exported import export_to


def test_an_onnx_file_carries_the_names_of_the_classes(tmp_path, model):
    import onnxruntime

    path = export_to(tmp_path, "onnx", model, data="digits").path
    session = onnxruntime.InferenceSession(path)
    assert json.loads(session.get_modelmeta().custom_metadata_map["class_names"]) == list(
        "0123456789"
    )
    assert [(x.name, x.type, x.shape[1:]) for x in session.get_inputs()] == [
        ("pixels", "tensor(float)", [28, 28])
    ]
