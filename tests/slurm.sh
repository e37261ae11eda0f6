#!/usr/bin/env bash
# Pilots under a real Slurm of one node: two workers meet their time limit in the middle of a sweep, drain, are requeued, and
# go on; the results are those of an undisturbed run, byte for byte.
#
#   tests/slurm.sh target/release/gridsweep
#
# Takes about 4 minutes on 2 cores, 15 at most. Needs root and Debian's slurmctld, slurmd, slurm-client and munge. Starts
# daemons of its own on the loopback interface, in a folder of its own, and ends them; touches no other Slurm. Exits 77
# without having tested anything where something is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binary=$(realpath "${1:?"give the gridsweep binary, such as target/release/gridsweep"}")
pilots_script=$PWD/deploy/slurm/pilots.sbatch
sweep_seconds_max=600
# Without effect on what is computed: two elements of one slot each.
elements=2

main() {
    skip_where_something_is_missing
    folder=$(mktemp -d /tmp/gridsweep-slurm-XXXXXX)
    trap clean_up EXIT
    trap 'exit 143' TERM INT
    write_configuration
    start_slurm
    start_coordinator
    write_sweep
    submit
    wait_until_ended
    check_pilots
    check_attempts
    check_results
    check_that_a_cancelled_pilot_stays_ended
    echo "4 passed, 0 failed"
}

skip_where_something_is_missing() {
    local missing=()
    for program in munged slurmctld slurmd sbatch squeue scontrol scancel; do
        PATH=$PATH:/usr/sbin command -v "${program}" >/dev/null || missing+=("${program}")
    done
    if ((EUID != 0 || ${#missing[@]} > 0)); then
        echo "skipped: needs root and ${missing[*]:-}; Debian: apt-get install slurmctld slurmd slurm-client munge"
        exit 77
    fi
    PATH=$PATH:/usr/sbin
}

# Everything listens on 127.0.0.1. A requeued element waits for `cred_expire`, in seconds, before it starts again.
write_configuration() {
    local host
    host=$(hostname -s)
    export SLURM_CONF=${folder}/slurm.conf
    cat >"${SLURM_CONF}" <<CONF
ClusterName=gridsweep
SlurmctldHost=${host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=5,bf_interval=5
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
KillWait=10
OverTimeLimit=0
ReturnToService=2
NodeName=${host} NodeAddr=127.0.0.1 CPUs=${elements} State=UNKNOWN
PartitionName=all Nodes=${host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF
    mkdir -p "${folder}/state" "${folder}/spool"
    dd if=/dev/urandom of="${folder}/munge.key" bs=128 count=1 status=none
    chmod 400 "${folder}/munge.key"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

daemons=()
start() {
    "$@" </dev/null >>"${folder}/daemons.log" 2>&1 &
    daemons=($! "${daemons[@]}")
}

start_slurm() {
    start munged --foreground --force --key-file="${folder}/munge.key" --socket="${folder}/munge.socket" \
        --log-file="${folder}/munge.log" --pid-file="${folder}/munge.pid" --seed-file="${folder}/munge.seed"
    wait_for 10 test -S "${folder}/munge.socket"
    start slurmctld -D
    wait_for 30 scontrol ping
    start slurmd -D
    wait_for 30 is_node_idle
    echo "slurm: $(sinfo --noheader --format='%n %T, %C cores allocated/idle/other/all')"
}

is_node_idle() {
    sinfo --noheader --format=%T | grep -qx idle
}

# With TLS and tokens, as on a real cluster: pilots work with one token and look with another.
start_coordinator() {
    local tokens=${folder}/coordinator/tokens
    export GRIDSWEEP_SERVER GRIDSWEEP_TLS_FINGERPRINT GRIDSWEEP_DATA=$PWD/sweeps/data
    GRIDSWEEP_SERVER=127.0.0.1:$(free_port)
    start "${binary}" serve --listen "${GRIDSWEEP_SERVER}" --state "${folder}/coordinator" --tls-self-signed --make-tokens
    wait_for 20 grep -q '^serving at' "${folder}/daemons.log"
    GRIDSWEEP_TLS_FINGERPRINT=$(grep -oE 'SHA256:[0-9a-f]{64}' "${folder}/daemons.log" | head -n 1)
    export GRIDSWEEP_TOKEN_FILE=${tokens}/worker GRIDSWEEP_READ_TOKEN_FILE=${tokens}/read
    as_submitter=(--server "${GRIDSWEEP_SERVER}" --token-file "${tokens}/submit")
}

# 20 trials of about 7 s on a core.
write_sweep() {
    cat >"${folder}/sweep.toml" <<'TOML'
schema = 1
name = "pilots"
[data]
dataset = "mnist"
[replicates]
count = 2
seed = 2016
[base]
hidden = [128, 64]
epochs = 60
[[study]]
name = "penalties"
[study.axes]
regularizer = ["none", "l1", "l2"]
coefficient = [0.001, 0.0001]
activation = ["relu", "tanh"]
[study.when]
coefficient = { regularizer = ["l1", "l2"] }
TOML
}

# Slurm looks twice a minute and signals half a minute early: here 20 to 50 s after the start, with a limit of a minute.
submit() {
    "${binary}" submit "${folder}/sweep.toml" "${as_submitter[@]}"
    began=${SECONDS}
    export GRIDSWEEP_BINARY=${binary} GRIDSWEEP_PILOTS=${folder}/pilots GRIDSWEEP_POLL_SECONDS=4
    job=$(sbatch --parsable --array="1-${elements}" --cpus-per-task=1 --time=1 --signal=B:TERM@10 \
        --output="${folder}/pilot-%a.log" "${pilots_script}")
    echo "slurm: submitted ${elements} pilots as ${job}"
}

wait_until_ended() {
    local seen=
    while squeue --noheader --jobs="${job}" 2>/dev/null | grep -q .; do
        seen=$(squeue --noheader --jobs="${job}" --array --format='%i %T %M' | paste -sd' ')
        if ((SECONDS - began > sweep_seconds_max)); then
            fail "after ${sweep_seconds_max} s the pilots still stand at: ${seen}"
        fi
        sleep 2
    done
    echo "slurm: all pilots ended after $((SECONDS - began)) s"
    "${binary}" status "${as_submitter[@]}"
}

# The fault fired: each pilot met its limit, drained, was started again by Slurm, and ended by itself.
check_pilots() {
    for element in $(seq "${elements}"); do
        local log=${folder}/pilot-${element}.log
        grep -E '^pilot ' "${log}"
        for words in "the time limit is near: draining" "requeues itself" "starts, attempt 2" "nothing is left to do"; do
            grep -q "${words}" "${log}" || fail "pilot ${element} never said: ${words}"
        done
        if grep -qi 'DUE TO TIME LIMIT' "${log}"; then
            fail "pilot ${element} was still there at its time limit"
        fi
    done
}

# A trial was interrupted by a drain and went on from its checkpoint.
check_attempts() {
    "${binary}" export pilots --what attempts "${as_submitter[@]}" >"${folder}/attempts.jsonl"
    python3 - "${folder}/attempts.jsonl" <<'PYTHON'
import collections, json, sys
attempts = [json.loads(line) for line in open(sys.argv[1])]
per_trial = collections.Counter(attempt["trial"] for attempt in attempts)
again = [trial for trial, count in per_trial.items() if count > 1]
resumed = [a for a in attempts if a["state"] == "finished" and (a["from_epoch"] > 0 or a["from_step"] > 0)]
states = collections.Counter(attempt["state"] for attempt in attempts)
print(f"attempts: {dict(states)}, {len(again)} trials attempted again, {len(resumed)} went on from a checkpoint")
sys.exit(0 if again and resumed else "no trial was interrupted in its middle: the limit came at no time that tests anything")
PYTHON
}

check_results() {
    "${binary}" export pilots --what trials "${as_submitter[@]}" >"${folder}/pilots.jsonl"
    # Where GRIDSWEEP_SERVER is set, that is where `export` looks.
    env -u GRIDSWEEP_SERVER "${binary}" run "${folder}/sweep.toml" --workers 1 --quiet --state "${folder}/alone" >"${folder}/alone.txt"
    env -u GRIDSWEEP_SERVER "${binary}" export pilots --what trials --state "${folder}/alone" >"${folder}/alone.jsonl"
    local trials
    trials=$(wc -l <"${folder}/alone.jsonl")
    ((trials > 0)) || fail "the undisturbed run has no results"
    cmp "${folder}/pilots.jsonl" "${folder}/alone.jsonl" || fail "the results differ from those of an undisturbed run"
    echo "results: ${trials} trials, $(wc -c <"${folder}/alone.jsonl") bytes, equal: $(sha256sum <"${folder}/pilots.jsonl")"
}

# Whoever cancels a pilot does not want it back.
check_that_a_cancelled_pilot_stays_ended() {
    sed -e 's/^name = .*/name = "cancelled"/' -e 's/^seed = .*/seed = 7/' "${folder}/sweep.toml" >"${folder}/cancelled.toml"
    "${binary}" submit "${folder}/cancelled.toml" "${as_submitter[@]}"
    local cancelled log=${folder}/cancelled.log
    cancelled=$(sbatch --parsable --array=1 --cpus-per-task=1 --time=5 --output="${log}" "${pilots_script}")
    wait_for 30 grep -q 'starts, attempt 1' "${log}"
    wait_for 30 is_running_a_trial
    scancel "${cancelled}"
    wait_for 60 is_gone "${cancelled}"
    cat "${log}"
    if grep -q 'requeues itself' "${log}"; then
        fail "a cancelled pilot requeued itself"
    fi
}

is_running_a_trial() {
    "${binary}" status cancelled "${as_submitter[@]}" --format json | grep -q '"state": "running"'
}

is_gone() {
    ! squeue --noheader --jobs="$1" 2>/dev/null | grep -q .
}

# Tries a command once a second, for so many seconds.
wait_for() {
    local seconds=$1
    shift
    for _ in $(seq "${seconds}"); do
        if "$@" >/dev/null 2>&1; then
            return
        fi
        sleep 1
    done
    fail "not within ${seconds} s: $*"
}

fail() {
    echo "FAILED: $*"
    exit 1
}

clean_up() {
    local status=$?
    if ((status != 0)); then
        tail -n 20 "${folder}"/*.log || true
    fi
    if [[ -n ${job:-} ]]; then
        scancel "${job}" 2>/dev/null || true
        sleep 1
    fi
    for daemon in "${daemons[@]}"; do
        if kill -TERM "${daemon}" 2>/dev/null; then
            wait "${daemon}" || true
        fi
    done
    if ((status == 0)); then
        rm -rf "${folder}"
    else
        echo "what it left: ${folder}"
    fi
}

main
