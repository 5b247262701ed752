#!/usr/bin/env bash
# Installs what is missing and builds moe-worker for this machine's processor.
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

"$project_root/launch/setup.sh"
say "building (release, for this processor)"
swift build "${build_flags[@]}" --product moe-worker "$@"
