#!/bin/sh
# Trains both sizes from nothing, or goes on where an interrupted run stopped.
# PYTHON names an interpreter that has torch and numpy; without it, python3.
set -eu
cd "$(dirname "$0")"
export OMP_WAIT_POLICY=PASSIVE
exec nice -n 5 "${PYTHON:-python3}" train.py --size all "$@"
