#!/usr/bin/env bash
# Installs what the tests need into .venv (once) and runs all of them: style, types, units, the real Triton, a real browser.
#
#   ./test.sh                          everything
#   ./test.sh tests/unit -k decode     other arguments go to pytest, and only pytest runs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
unset PYTHONHOME PYTHONPATH # as in run.sh
export PYTHONDONTWRITEBYTECODE= # where it is set, as in many an image, each of a thousand starts would compile all again

wanted() {
  cat pyproject.toml client/pyproject.toml constraints.txt | sha256sum
}

node() { # for the programs of others that use the API
  if ! command -v npm >/dev/null; then
    root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    echo "Installing Node.js for the API's tests ..." >&2
    { "${root[@]}" apt-get update -qq && "${root[@]}" apt-get install -y -qq --no-install-recommends nodejs npm; } >/dev/null ||
      echo "test.sh: Node.js could not be installed; some of the API's tests will fail until it is" >&2
  fi
}

browser() { # the shell without a window of its own, where there is one: a page opens in half the CPU time
  local known=0 each
  for each in chromium-headless-shell chromium chromium-browser google-chrome; do
    ! command -v "$each" >/dev/null || known=1
  done
  [ "$(id -u)" = 0 ] || [ "$known" = 0 ] || return 0
  if ! command -v chromium-headless-shell >/dev/null; then
    root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    echo "Installing Chromium for the page's tests ..." >&2
    { "${root[@]}" apt-get update -qq &&
      { "${root[@]}" apt-get install -y -qq --no-install-recommends chromium-headless-shell ||
        [ "$known" = 1 ] || "${root[@]}" apt-get install -y -qq --no-install-recommends chromium; }; } >/dev/null 2>&1 ||
      [ "$known" = 1 ] ||
      echo "test.sh: Chromium could not be installed; the page's tests will fail until it is" >&2
  fi
}

debian() { # balancers and Prometheus, only unpacked: installed, they would start as services
  local packages=(nginx haproxy prometheus liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 libpcre2-8-0)
  local target="$PWD/cache/debian"
  [ ! -e "$target/complete" ] || return 0
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  echo "Fetching nginx, HAProxy and Prometheus for the tests ..." >&2
  rm -rf "$target"
  mkdir -p "$target/packages"
  (
    cd "$target/packages"
    apt-get download -qq "${packages[@]}" || { "${root[@]}" apt-get update -qq && apt-get download -qq "${packages[@]}"; }
    for each in *.deb; do dpkg-deb -x "$each" "$target"; done
    rm -rf "$target/packages"
    touch "$target/complete"
  ) >/dev/null 2>&1 || echo "test.sh: they could not be had; tests of deploy/ will fail until they are installed" >&2
}

{ browser; node; debian; } & # at the same time as the packages
if [ "$(cat .venv/installed-dev 2>/dev/null)" != "$(wanted)" ] || ! .venv/bin/python -m pytest --version >/dev/null 2>&1; then
  echo "What the tests need is installed along; torch and TensorRT take a few minutes." >&2
  rm -f .venv/installed
fi
MATTING_EXTRAS=dev ./run.sh --setup-only
wanted >.venv/installed-dev
wait

[ $# = 0 ] || exec .venv/bin/python -m pytest "$@"

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy & # beside the first tests
types=$!
# Three at once, since some wait: for servers that start, pages that draw, clocks. One thread each, or they would wait
# for each other's. In this order, long files first, so that all three end together. A dead one ends the run.
OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 \
  tests/protocol tests/ui tests/attack tests/unit
wait "$types" || { echo "test.sh: mypy found what it says above, at the beginning" >&2 && exit 1; }
