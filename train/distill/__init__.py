"""The run of a deployable student: teacher, distillation, the chip's integers."""
