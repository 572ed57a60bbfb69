from setuptools import setup

setup(cffi_modules=["src/ndcctools/work_queue/_build.py:ffi"])
