"""Install the library: `pip install .`.

Extras: gpu, jax, onnx, parquet, serve, spark, dev.
"""

from pathlib import Path

from setuptools import find_packages
from setuptools import setup

SERVE = ["fastapi>=0.115", "httptools>=0.6", "uvicorn>=0.30", "uvloop>=0.20"]

setup(
    name="nextitnet_tf",
    version="0.1.0",
    description=(
        "StackRec, CpRec and SkipRec: very deep sequential recommenders in "
        "TensorFlow 2 / Keras 3"
    ),
    long_description=Path(__file__)
    .with_name("README.md")
    .read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    classifiers=[
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    license="Apache-2.0",
    python_requires=">=3.11",
    # `datasets` and `experiments` stay out: installed under those names they
    # would hide other people's packages. They run from a checkout.
    packages=find_packages(include=["nextitnet_tf", "nextitnet_tf.*"]),
    package_data={"nextitnet_tf": ["py.typed"]},
    entry_points={
        "console_scripts": ["nextitnet-tf=nextitnet_tf.commands.__main__:main"]
    },
    install_requires=[
        "absl-py>=2.1",
        "h5py>=3.11",
        "keras>=3.12,<4",
        "matplotlib>=3.9",
        "numpy>=1.26",
        "pandas>=2.2",
        "tensorflow>=2.20,<3",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.20,<3"],
        "jax": ["jax>=0.4.34"],
        "onnx": ["onnx>=1.17", "onnxruntime>=1.20", "tf2onnx>=1.17"],
        "parquet": ["pyarrow>=15"],
        "serve": SERVE,
        # Java, too, which pip has not: Debian's openjdk-17-jre-headless.
        "spark": ["pyarrow>=15", "pyspark>=4.0,<5"],
        # The search is our own and needs nothing: it is shorter than asking
        # a library for one.
        "tune": [],
        "dev": [
            *SERVE,
            "build>=1.2",
            "httpx>=0.27",  # asks the service in tests
            "hypothesis>=6",
            "markdown-it-py>=3",  # make report
            "mypy>=1.13",
            "pyarrow>=15",  # parquet
            "pytest>=8",
            "pytest-xdist>=3.6",  # a test process a core
            "ruff>=0.8",
        ],
    },
)
