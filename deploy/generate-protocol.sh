#!/bin/bash
# Regenerates Sources/AgentProtocol/Generated from the .proto files; with --check only says whether it is current.
# Needs protoc (protobuf-compiler). The generator is the one of the swift-protobuf version this package uses.
set -euo pipefail
cd "$(dirname "$0")/.."
swift build --product protoc-gen-swift >&2
out=Sources/AgentProtocol/Generated
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
protoc --plugin=protoc-gen-swift="$(swift build --show-bin-path)/protoc-gen-swift" \
    --proto_path=Sources/AgentProtocol/Protos \
    --swift_opt=Visibility=Internal --swift_opt=UseAccessLevelOnImports=true --swift_opt=FileNaming=DropPath \
    --swift_out="$fresh" Sources/AgentProtocol/Protos/*.proto
if [ "${1:-}" = --check ]; then
    diff -ru "$out" "$fresh" || { echo "generate-protocol: $out is stale: run deploy/generate-protocol.sh and commit" >&2; exit 1; }
else
    mkdir -p "$out"
    rm -f "$out"/*.swift
    cp "$fresh"/*.swift "$out"/
fi
