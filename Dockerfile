# hwqat with all that its commands need but a vendor's tools:   docker build -t hwqat .
#   docker run --rm -v "$PWD:/work" hwqat export zoo:resnet20-int8 --fps 6100 --out build/resnet20
FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends g++ make perl \
 && rm -rf /var/lib/apt/lists/*
COPY . /opt/hwqat
RUN pip install --no-cache-dir --constraint /opt/hwqat/constraints.txt '/opt/hwqat[onnx,synth,search,images]'
WORKDIR /work
ENTRYPOINT ["hwqat"]
