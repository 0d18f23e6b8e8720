"""All doors."""

from __future__ import annotations

import doors_arrays
import doors_documents
import doors_hdf5
import doors_onnx
import doors_students
import doors_weights

DOORS = (
    *doors_hdf5.DOORS,
    *doors_arrays.DOORS,
    *doors_students.DOORS,
    *doors_weights.DOORS,
    *doors_onnx.DOORS,
    *doors_documents.DOORS,
)
