#!/bin/bash
# Compiles the example service and packs its versions as OCI layouts: hello-1.tar, hello-2.tar, and hello-3-broken.tar, which never
# gets ready. All share one layer, so importing the second moves a few hundred bytes. Leaves the program itself beside them as `hello`.
#
#   deploy/examples/build-images.sh OUTDIR
set -euo pipefail
[ $# = 1 ] || { echo "usage: build-images.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

${CC:-cc} -O2 -static -pthread -Wall -Wextra -Werror -o "$out/hello" hello/*.c
strip "$out/hello"
root=$work/root
mkdir -p "$root"/{bin,etc,dev,proc,sys,tmp}
chmod 1777 "$root/tmp"
cp "$out/hello" "$root/bin/hello"
printf 'root:x:0:0:root:/:/bin/hello\nnobody:x:65534:65534:nobody:/:/bin/hello\n' > "$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$root/etc/group"
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$root" -cf "$work/layer.tar" .

digest() { sha256sum "$1" | cut -d' ' -f1; }
size() { stat -c %s "$1"; }
layer=$(digest "$work/layer.tar")

pack() { # pack FILE REFERENCE ENV...
  local file=$1 reference=$2 layout=$work/layout env config manifest
  shift 2
  rm -rf "$layout"
  mkdir -p "$layout/blobs/sha256"
  cp "$work/layer.tar" "$layout/blobs/sha256/$layer"
  env=$(printf ',"%s"' PATH=/bin "$@")
  printf '{"architecture":"amd64","os":"linux","config":{"Env":[%s],"Entrypoint":["/bin/hello"],"WorkingDir":"/","ExposedPorts":{"8080/tcp":{}},"StopSignal":"SIGTERM"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "${env#,}" "$layer" > "$work/config"
  config=$(digest "$work/config")
  cp "$work/config" "$layout/blobs/sha256/$config"
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%d}]}' \
    "$config" "$(size "$work/config")" "$layer" "$(size "$work/layer.tar")" > "$work/manifest"
  manifest=$(digest "$work/manifest")
  cp "$work/manifest" "$layout/blobs/sha256/$manifest"
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d,"annotations":{"org.opencontainers.image.ref.name":"%s"},"platform":{"architecture":"amd64","os":"linux"}}]}' \
    "$manifest" "$(size "$work/manifest")" "$reference" > "$layout/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' > "$layout/oci-layout"
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$layout" -cf "$out/$file" .
}
pack hello-1.tar hello:1 VERSION=1
pack hello-2.tar hello:2 VERSION=2
pack hello-3-broken.tar hello:3 VERSION=3 BROKEN=never-ready
