# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # project_root and scratch come from test-compose.sh, which reads made_base_image
# Sourced by test-compose.sh: a container engine, and the image that ours begins with. Where an engine runs it is used;
# else one is started with folders of its own, which needs root, and nothing of it is left when it has been stopped.

engine_folder='' engine='' firewall_before='' forwarding_before='' bridge_before='' made_base_image=''

# Prints what keeps an engine from being had; nothing when one runs or can be started.
engine_obstacle() {
  if docker info >/dev/null 2>&1; then return; fi
  if [ "$(id -u)" -ne 0 ]; then
    echo "no container engine answers, and starting one needs root"
  elif ! command -v apt-get >/dev/null; then
    echo "no container engine answers, and only Debian's can be installed"
  fi
}

# An engine changes the firewall and forwarding of the whole machine: what was there is put back.
remember_network() {
  firewall_before=$(iptables-save)
  forwarding_before=$(</proc/sys/net/ipv4/ip_forward)
  bridge_before=$(ip -oneline link show docker0 2>/dev/null || true)
}

restore_network() {
  if [ -z "$bridge_before" ]; then ip link delete docker0 2>/dev/null || true; fi
  iptables-restore <<<"$firewall_before" || true
  echo "$forwarding_before" >/proc/sys/net/ipv4/ip_forward
}

start_engine() {
  local tenths=0
  engine_folder=$(mktemp -d)
  remember_network
  export DOCKER_HOST=unix://$engine_folder/socket
  # In a session of its own, for an interrupt from the keyboard to leave it running until it is stopped.
  setsid dockerd --data-root "$engine_folder/data" --exec-root "$engine_folder/run" --pidfile "$engine_folder/pid" \
    --host "$DOCKER_HOST" >"$engine_folder/log" 2>&1 &
  engine=$!
  while ! docker info >/dev/null 2>&1; do
    kill -0 "$engine" 2>/dev/null || refuse "the engine ended: $(tail -n 1 "$engine_folder/log")"
    ((tenths < 300)) || refuse "the engine does not answer: $(tail -n 1 "$engine_folder/log")"
    sleep 0.1
    tenths=$((tenths + 1))
  done
}

stop_engine() {
  [ -n "$engine" ] || return 0
  kill -TERM "$engine" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
  restore_network
  # The one place that an engine cannot be told to leave alone.
  rmdir /run/docker/plugins /run/docker 2>/dev/null || true
  rm -rf "$engine_folder"
}

# The mirror of a Debian release that apt is set up with.
mirror_of() {
  # shellcheck disable=SC2016 # apt's own notation
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v release="$1" '$1 == release && $2 == "main" { print $3; exit }'
}

# Makes the image that launch/Dockerfile begins with out of Debian's packages, where it is not here and cannot be had.
provide_base_image() {
  local name release mirror folder
  name=$(sed -n 's/^ARG RUNTIME_IMAGE=//p' "$project_root/launch/Dockerfile")
  if docker image inspect "$name" >/dev/null 2>&1; then return; fi
  if timeout 120 docker pull --quiet "$name" >/dev/null 2>&1; then return; fi
  [ "$(id -u)" -eq 0 ] || refuse "$name cannot be pulled, and making it needs root"
  command -v debootstrap >/dev/null || refuse "$name cannot be pulled, and debootstrap is missing"
  release=${name#*:} release=${release%-slim}
  mirror=$(mirror_of "$release")
  [ -n "$mirror" ] || refuse "$name cannot be pulled, and apt knows no mirror of $release"
  say "making $name from Debian's packages"
  folder="$scratch/base"
  debootstrap --variant=minbase "$release" "$folder" "$mirror" >"$scratch/debootstrap.log" ||
    refuse "debootstrap failed: $(tail -n 1 "$scratch/debootstrap.log")"
  tar --directory "$folder" --create . | docker import - "$name" >/dev/null
  made_base_image=$name
  rm -rf "$folder"
}
