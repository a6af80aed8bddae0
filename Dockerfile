# The command line in a container. `.ci/run` runs the steps after RUN in a clean environment, without Docker.
#   python -m build && docker build -t mnist-keras . && docker run --rm -v "$PWD/runs:/mnist/runs" mnist-keras demo
FROM python:3.12-slim
WORKDIR /mnist
COPY dist/*.whl .
RUN python -m pip install --quiet --no-cache-dir ./*.whl
RUN mnist-keras models
ENTRYPOINT ["mnist-keras"]
CMD ["demo"]
