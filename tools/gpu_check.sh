#!/usr/bin/env bash
# Checks and measures instseg on one GPU in less than eight minutes, without a network.
#
#   tools/gpu_check.sh [FOLDER] [--device cuda] [--python PYTHON]
#
# Runs the tests marked `cuda`; then, beside torchvision in the same process, inference with one photo
# and with 16 at once, training and post-processing, and a profile of the stages of inference. Writes
# figures.json, summary.txt and log.txt to FOLDER (by default $OUT, or out/gpu_check). A part that
# fails or takes too long is reported, and the others go on. `--device cpu` is a trial of the script,
# with small numbers and more time.
set -uo pipefail
start=$PWD
cd "$(dirname "$0")/.."
out=${OUT:-out/gpu_check} device=cuda python=python3
[[ -x .venv/bin/python ]] && python=.venv/bin/python
while (($#)); do
  case $1 in
    --device) device=$2; shift ;;
    --python) python=$2; shift ;;
    *) out=$1 ;;
  esac
  shift
done
[[ $out == /* ]] || out=$start/$out
mkdir -p "$out" || exit 2
work=$(mktemp -d)
mkdir "$work/figures"
trap 'rm -rf "$work"' EXIT
export PYTHONPATH=$PWD INSTSEG_GPU=$device PYTHONUNBUFFERED=1
deadline=460 # seconds
failed=()
SECONDS=0
if [[ $device == cpu ]]; then
  few=1 many=1 batch=2 model=(--weights demo) patience=10
else
  few=5 many=20 batch=16 model=() patience=1
fi

part() { # NAME SECONDS COMMAND...
  local name=$1 limit=$(($2 * patience)) left=$((deadline * patience - SECONDS)) start=$SECONDS code=0
  shift 2
  ((limit > left)) && limit=$left
  echo "== $name" | tee -a "$out/log.txt"
  if ((limit < 5)); then
    code=124
  else
    timeout --kill-after=5 "$limit" "$@" >>"$out/log.txt" 2>&1 || code=$?
  fi
  echo "   $((SECONDS - start)) s, exit code $code"
  ((code == 0)) || failed+=("$name ($code)")
}

bench() { # NAME SECONDS OPTIONS...
  local name=$1 limit=$2
  shift 2
  part "$name" "$limit" "$python" tools/benchmark.py "$@" \
    --device "$device" --json "$work/figures/$name.json" --out "$work"
}

: >"$out/log.txt"
mapfile -t marked < <(grep -rl --include='test_*.py' 'mark.cuda' tests)

part tests 150 "$python" -m pytest -q -rfEs -p no:cacheprovider -m cuda "${marked[@]}"
bench infer_1 60 infer "${model[@]}" --precision bf16 --repeats $many
bench infer_$batch 60 infer "${model[@]}" --precision bf16 --batch-size $batch --repeats $few
bench stages 45 infer "${model[@]}" --precision bf16 --stages --repeats $few
bench train 60 train "${model[@]}" --precision bf16 --batch-size 4 --repeats $few
bench postprocess 60 postprocess --repeats 2
bench infer_1_fp32 45 infer "${model[@]}" --precision fp32 --repeats $few
bench infer_1_compiled 120 infer "${model[@]}" --precision bf16 --compile --repeats $many

"$python" - "$work/figures" "$out/figures.json" <<'PYTHON' 2>&1 | tee "$out/summary.txt"
import json, platform, sys
from datetime import date
from pathlib import Path

import torch
import torchvision

paths = sorted(Path(sys.argv[1]).glob("*.json"))
figures = {path.stem: json.loads(path.read_text()) for path in paths}
card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
machine = f"{card}, torch {torch.__version__}, torchvision {torchvision.__version__}, "
machine += f"Python {platform.python_version()}, {date.today()}"
Path(sys.argv[2]).write_text(json.dumps({"machine": machine} | figures, indent=1) + "\n")
print(machine)
for name, each in figures.items():
    if "stages" in each:
        print(f"{name}: ms, and how many times the floor")
        for stage, one in each["stages"].items():
            times = one["median"] / one["floor"] if one["floor"] else float("nan")
            print(f"  {stage:14} {1e3 * one['median']:9.3f} {times:8.1f}")
        continue
    line = f"{name}: {each['ratio']:.2f} times torchvision"
    for side in ("ours", "peer"):
        line += f"; {side} {1e3 * each[side]['median']:.2f} ms"
        line += f", {each[side]['peak_mb']:.0f} MB" if "peak_mb" in each[side] else ""
    if "network" in each:
        rate, share = each["network"]["gflop_per_s"] / 1e3, each["network"]["share"]
        line += f"; network at {share:.1%} of {rate:.1f} TFLOP/s"
    print(line)
PYTHON
grep -E '^(FAILED|ERROR) |[0-9]+ (passed|failed|skipped)' "$out/log.txt" | tail -n 20 |
  tee -a "$out/summary.txt"
echo "$SECONDS s; ${#failed[@]} parts failed: ${failed[*]:-none}" | tee -a "$out/summary.txt"
((${#failed[@]} == 0))
