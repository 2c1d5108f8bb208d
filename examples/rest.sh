#!/usr/bin/env bash
# The REST API with curl: rest.sh PHOTO OUT_FOLDER [URL]
set -euo pipefail
photo=$1
out=$2
url=${3-http://127.0.0.1:7860}
mkdir -p "$out"
curl -sSf -F "image_file=@$photo" -o "$out/cutout.png" "$url/v1.0/removebg"
curl -sSf -F "image_file=@$photo" -F bg_color=ffffff -F format=jpg -o "$out/white.jpg" "$url/v1.0/removebg"
curl -sSf --data-binary "@$photo" -o "$out/small.webp" "$url/v1/cutout?format=webp&size=640px"
curl -sSf --data-binary "@$photo" -o "$out/alpha.png" "$url/v1/alpha"
