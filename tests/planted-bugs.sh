#!/usr/bin/env bash
# Plants one bug at a time and sees whether the tests notice: the patches of tests/planted/, each against the committed tree.
#
#   tests/planted-bugs.sh                     # every patch
#   tests/planted-bugs.sh fence-unchecked     # some of them
#
# A patch begins with a line that says what is wrong then, and one that names the layers of tests that are to notice. All of
# them are run, on the tree as it is first: there they must pass. Fails where a patch does not apply or build, and where a
# layer that is to notice does not. tests/planted/README.md has what came of it last. Works in a copy of its own, which it removes; what it builds goes to target/. Takes about 25 minutes on 2
# cores; a layer that does not end within 5 minutes counts as having noticed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

repository=$PWD
layer_seconds_max=300
cargo=${CARGO:-cargo}
export CARGO_TERM_COLOR=never CARGO_TARGET_DIR=$PWD/target GRIDSWEEP_SIM_SEEDS=10

main() {
    local patches=("$@") patch missed=0
    if ((${#patches[@]} == 0)); then
        for patch in tests/planted/*.patch; do
            patches+=("$(basename "${patch}" .patch)")
        done
    fi
    folder=$(mktemp -d /tmp/gridsweep-planted-XXXXXX)
    trap clean_up EXIT
    trap 'exit 143' TERM INT
    tree=${folder}/tree
    git worktree add --quiet --detach "${tree}" HEAD
    check_undisturbed
    printf '%-36s %s\n' bug "noticed by (of)"
    for patch in "${patches[@]}"; do
        plant "${patch}" || missed=$((missed + 1))
    done
    echo "$((${#patches[@]} - missed)) noticed by all that were to, ${missed} not"
    ((missed == 0))
}

clean_up() {
    git worktree remove --force "${tree}" || true
    rm -rf "${folder}"
    git worktree prune
}

# Whatever fails without a bug would notice anything.
check_undisturbed() {
    local layer
    for layer in core driver store worker sim; do
        build "${layer}"
        passes "${layer}" || fail "the tests of ${layer} fail without any bug: $(tail -n 5 "${folder}/log")"
    done
}

# Plants a bug, runs its layers, and says which noticed; fails where none did.
plant() {
    local name=$1 layer noticed=() missed=0 layers status
    local patch=${repository}/tests/planted/${name}.patch
    layers=$(sed -n 's/^layers: //p' "${patch}")
    git -C "${tree}" apply "${patch}" || fail "${name} does not apply: make it anew"
    for layer in ${layers}; do
        build "${layer}"
        status=0
        passes "${layer}" || status=$?
        case ${status} in
            0) missed=$((missed + 1)) ;;
            124 | 137) noticed+=("${layer}, which did not end") ;;
            *) noticed+=("${layer}") ;;
        esac
    done
    git -C "${tree}" checkout --quiet -- .
    printf '%-36s %s (%s)\n' "${name}" "${noticed[*]:-NOBODY}" "${layers}"
    ((missed == 0))
}

build() {
    in_tree "$1" --no-run >"${folder}/log" 2>&1 || fail "it does not build: $(tail -n 20 "${folder}/log")"
}

passes() {
    timeout --kill-after=10 "${layer_seconds_max}" "${repository}/tests/planted-bugs.sh" --layer "${tree}" "$1" >"${folder}/log" 2>&1
}

# Runs the tests of a layer, or does with them what further arguments say.
in_tree() {
    local layer=$1
    shift
    cd "${tree}"
    case ${layer} in
        core | driver | store) "${cargo}" test --locked -p gridsweep-coordinator --lib "$@" -- "${layer}::" ;;
        worker) "${cargo}" test --locked -p gridsweep-worker --lib "$@" -- session:: ;;
        sim) "${cargo}" test --locked -p gridsweep-sim "$@" ;;
        *) fail "there is no layer ${layer}" ;;
    esac
    cd "${repository}"
}

fail() {
    echo "planted-bugs: $1" >&2
    exit 1
}

if [[ ${1:-} == --layer ]]; then
    # By itself, so that the time that it may take can be limited.
    tree=$2
    in_tree "$3"
else
    main "$@"
fi
