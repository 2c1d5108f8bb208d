#!/usr/bin/env bash
# Installs what serving needs into .venv (once), then starts Triton, the web page and the REST API. Ctrl-C ends all of it.
#
#   ./run.sh                   install if needed, then serve
#   ./run.sh --setup-only      only install
#   ./run.sh --page-port 8080  other arguments go to `matting serve`; ./run.sh --help lists them once it is installed
[ -n "${BASH_VERSION-}" ] || exec bash "$0" "$@" # for `sh run.sh`
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
unset PYTHONHOME PYTHONPATH # somebody else's packages would come first
export LC_ALL=C.UTF-8 # with another, Python may not start from a folder called 照片

die() {
  echo "run.sh: $*" >&2
  exit 2
}

suitable() { # a Python that really runs (pyenv leaves commands that do not) and that Triton was built for
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null
}

find_python() {
  local each
  for each in python3.11 python3.12 python3 python; do
    if suitable "$each"; then
      echo "$each"
      return
    fi
  done
  die "no Python 3.11 or 3.12 found (tried python3.11, python3.12, python3, python): install one, and its venv package"
}

check_machine() {
  [ "$(uname -sm)" = "Linux x86_64" ] ||
    die "the embedded Triton runs on Linux x86-64, this is $(uname -sm): use docker compose --profile cpu up"
  local glibc
  glibc="$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)"
  [ "$(printf '%s\n' 2.35 "${glibc:-0}" | sort -V | head -n1)" = 2.35 ] ||
    die "got glibc ${glibc:-none}, the embedded Triton needs 2.35 (Ubuntu 22.04, Debian 12 or newer)"
}

check_folder() { # what is installed lies here, and links to it
  local each
  for each in . .venv; do
    [ ! -e "$each" ] || [ -w "$each" ] ||
      die "$(realpath "$each") cannot be written by $(id -un 2>/dev/null): run ./run.sh as its owner, or copy the files to a folder of yours"
  done
}

wanted() { # changes when something else is to be installed, or the folder has moved
  { pwd -P; cat pyproject.toml client/pyproject.toml; [ ! -f constraints.txt ] || cat constraints.txt; } | sha256sum
}

moved() { # an environment cannot be: `activate` and pip go on with the folder in which it was made
  ! grep -qsF "$(pwd -P)/.venv" .venv/bin/activate
}

is_installed() {
  [ "$(cat .venv/installed 2>/dev/null)" = "$(wanted)" ] && suitable .venv/bin/python
}

install() {
  check_machine
  check_folder
  local python
  if ! suitable .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1 || moved; then
    python="$(find_python)"
    "$python" -m venv --clear .venv || die "$python -m venv failed: install the package ${python##*/}-venv"
  fi
  echo "Installing into .venv, once; this takes a minute or two ..." >&2
  rm -f .venv/installed
  .venv/bin/python -m pip install --quiet --disable-pip-version-check ${extras:+--no-compile} \
    ${constraints[@]+"${constraints[@]}"} -e './client[local]' -e ".[serve,ui$extras]" ||
    die "the installation failed: see above, and start ./run.sh again"
  # Our own modules, too: a service that may not write here would compile them at every start.
  .venv/bin/python -m compileall -q api benchmarks client export server training ui ||
    die "a module could not be compiled: see above, and get the files again"
  wanted >.venv/installed.new
  mv .venv/installed.new .venv/installed
}

if [ ! -e .venv/installed ] && { [ "${1-}" = --help ] || [ "${1-}" = -h ]; }; then # nobody who only asks waits for an installation
  sed -n '2,/^set/s/^# \{0,1\}//p' run.sh
  exit 0
fi
extras="${MATTING_EXTRAS:+,$MATTING_EXTRAS}" # more of them, as ./test.sh asks for
constraints=()
[ ! -f constraints.txt ] || constraints=(-c constraints.txt)
if ! is_installed; then
  exec {lock}<. # one at a time; NFS locks no folder
  flock -n "$lock" 2>/dev/null || [ $? != 1 ] || { echo "Waiting for another ./run.sh ..." >&2 && flock "$lock"; }
  is_installed || install
  exec {lock}<&-
fi
if [ "${1-}" = --setup-only ]; then
  echo "Everything is installed. Start it with ./run.sh" >&2
  exit 0
fi
exec .venv/bin/matting serve --page "$@"
