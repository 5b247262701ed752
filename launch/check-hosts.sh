# shellcheck shell=bash
# shellcheck disable=SC2154 # what cluster.sh and the scripts that it sources have set
# Sourced by cluster.sh: asks every host what it is made of (probe-host.sh) and says all that would keep a job from
# running there, or from giving the same results. Hosts that differ are listed with what each has.
#
# check_hosts fills ranks_on, by host, ranks_of_machine, by the kernel's boot identifier, and rank_count. `fact HOST
# KEY` prints what a host answered.

probes_at_once=32
connect_seconds=10
# Digests of a large corpus take their time.
probe_seconds=600

declare -A facts ranks_of_machine
# Ranks by host.
ranks_on=() rank_count=0
problems=0 problem_code=0

# Says what is wrong with a host, or between hosts; the job is refused with the code of the first.
problem() {
  printf 'switchyard: %s\n' "$1" >&2
  problems=$((problems + 1))
  if [ "$problem_code" -eq 0 ]; then problem_code=$2; fi
}

fact() { printf '%s\n' "${facts[$1:$2]:-}"; }
place() { printf '%s (line %s)' "${host_names[$1]}" "${host_lines[$1]}"; }

# The files and folders that the subcommand reads, as its arguments name them.
input_paths() {
  local word option=''
  for word in "${command[@]}"; do
    case $word in
      --corpus=* | --model=* | --init-from=* | --tokens=*) option='' && printf '%s\0' "${word#*=}" ;;
      -*) option=$word ;;
      *)
        case $option in --corpus | --model | --init-from | --tokens) printf '%s\0' "$word" ;; esac
        # Only a corpus is several.
        if [ "$option" != --corpus ]; then option=''; fi
        ;;
    esac
  done
}

# What is sent to a host: the probe with its arguments, quoted for the bash that reads it there. The remote command line
# is always the same, so nothing that a user wrote is ever read by a login shell.
probe_text() {
  printf 'set --'
  printf ' %q' "$worker" "$(dirname "$launcher")" "$(uname -n)" "$PWD" "$@"
  printf '\n'
  cat "$project_root/launch/probe-host.sh"
}

probe_host() {
  timeout --kill-after 5 "$probe_seconds" "$remote_shell" -oBatchMode=yes "-oConnectTimeout=$connect_seconds" \
    "${host_names[$1]}" 'exec bash -s' <"$answers/probe" >"$answers/$1" 2>"$answers/$1.errors" ||
    printf 'ended %s\n' "$?" >>"$answers/$1"
}

ask_hosts() {
  local host
  probe_text "${paths[@]}" >"$answers/probe"
  for host in "${!host_names[@]}"; do
    while (($(jobs -pr | wc --lines) >= probes_at_once)); do wait -n || true; done
    probe_host "$host" &
  done
  wait
}

read_answers() {
  local host kind key value
  for host in "${!host_names[@]}"; do
    while read -r kind key value; do
      case $kind in
        probe) facts[$host:$key]=${value:-none} ;;
        ended) facts[$host:ended]=$key ;;
      esac
    done <"$answers/$host"
  done
}

check_reached() {
  local host reason
  for host in "${!host_names[@]}"; do
    [ -z "$(fact "$host" end)" ] || continue
    reason=$(grep --text --invert-match '^[[:space:]]*$' "$answers/$host.errors" | tail -n 1) || true
    if [ "$(fact "$host" ended)" = 124 ]; then reason="no answer within $probe_seconds s"; fi
    problem "$(place "$host") cannot be reached by ssh: ${reason//[^[:print:]]/}" 69
  done
}

# What has to be on each host by itself.
check_each() {
  local host
  for host in "${!host_names[@]}"; do
    [ "$(fact "$host" folder)" = there ] || problem "$(place "$host") has no folder $PWD, where the job starts" 69
    if [ "$(fact "$host" program)" = missing ]; then
      problem "$(place "$host") has no $worker: copy it there" 69
      continue
    fi
    [ "$(fact "$host" libraries)" = none ] ||
      problem "$(place "$host") lacks libraries of the program: $(fact "$host" libraries); run launch/setup.sh there" 69
    [ "$(fact "$host" mpi)" != missing ] ||
      problem "$(place "$host") has no MPICH in $(dirname "$launcher"): run launch/setup.sh there" 69
    [ "$(fact "$host" head)" = known ] ||
      problem "$(place "$host") does not know this machine's name $(uname -n): add it to /etc/hosts there" 69
  done
}

# Says who has what, the largest group of hosts first, unless all have the same.
check_alike() {
  local key=$1 what=$2 advice=$3 host value groups=''
  local -A with=() count=()
  for host in "${!host_names[@]}"; do
    value=$(fact "$host" "$key")
    count[$value]=$((${count[$value]:-0} + 1))
    # A line that lists a thousand hosts helps nobody.
    if ((count[$value] <= 8)); then with[$value]+="${with[$value]:+, }${host_names[host]}"; fi
  done
  ((${#count[@]} > 1)) || return 0
  while read -r _ value; do
    groups+="${groups:+; }$(shortened "$value") on ${with[$value]}"
    if ((count[$value] > 8)); then groups+=" and $((count[$value] - 8)) others"; fi
  done < <(for value in "${!count[@]}"; do printf '%s %s\n' "${count[$value]}" "$value"; done |
    sort --key=1,1nr --key=2)
  problem "hosts differ in $what: $groups; $advice" 68
}

# Of a digest its beginning.
shortened() { if [[ $1 =~ ^[0-9a-f]{64}$ ]]; then printf '%s' "${1:0:12}"; else printf '%s' "$1"; fi; }

check_all_alike() {
  local number
  check_alike program "the program" "copy one build to all of them"
  check_alike mpi "MPICH" "install one version on all of them"
  check_alike features "the instruction set" "results would differ: use hosts of one kind"
  for number in "${!paths[@]}"; do
    check_alike "path$number" "${paths[number]}" "copy one to all of them"
  done
}

# Containers and namespaces of one machine are hosts that share its cores and memory.
count_ranks() {
  local host machine
  for host in "${!host_names[@]}"; do
    machine=$(fact "$host" machine)
    ranks_on[host]=${host_slots[host]:-${ranks_per_host:-$(fact "$host" domains)}}
    ranks_of_machine[$machine]=$((${ranks_of_machine[$machine]:-0} + ranks_on[host]))
    rank_count=$((rank_count + ranks_on[host]))
  done
}

# What the ranks of a machine need at least, as the program itself counts it, against what is free there.
check_memory() {
  local host ranks needed share
  share=$("$worker" memory --ranks "$rank_count" -- "${command[@]}") || exit "$?"
  for host in "${!host_names[@]}"; do
    ranks=${ranks_of_machine[$(fact "$host" machine)]}
    needed=$((share * ranks))
    ((needed <= $(fact "$host" memory))) || problem "$(place "$host") has $(fact "$host" memory) MiB of free memory, \
and $ranks ranks there need $needed MiB at least: use more hosts, or make the model smaller" 69
  done
}

end_when_wrong() {
  [ "$problems" -gt 0 ] || return 0
  refuse "nothing was started; problems: $problems" "$problem_code"
}

check_hosts() {
  local paths=() answers
  mapfile -d '' -t paths < <(input_paths)
  answers=$(mktemp -d)
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$answers'" EXIT
  ask_hosts
  read_answers
  check_reached
  end_when_wrong
  check_each
  end_when_wrong
  check_all_alike
  count_ranks
  check_memory
  end_when_wrong
  rm -rf "$answers"
  trap - EXIT
}
