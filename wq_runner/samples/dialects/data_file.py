"""Files of events, which are samples by themselves."""

from wq_runner.samples import direct
from wq_runner.samples.reading import FileDialect

DIALECT = FileDialect(suffixes=(".root", ".parquet"), read=direct.read_file)
