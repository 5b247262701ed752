#!/usr/bin/env bash
# Makes the keys of this cluster, in the volume that its containers share, unless another container has: one for the
# head, who logs in, and one that all workers show. Kubernetes' MPI operator makes one for both, and mounts it.
set -euo pipefail
operators_key=$HOME/.ssh/id_rsa

exec 9>/keys/lock
flock 9
[ ! -e /keys/known_hosts ] || exit 0
for key in client host; do
  rm -f "/keys/$key" "/keys/$key.pub"
  if [ -e "$operators_key" ]; then
    # Copies, because ssh takes only a key that nobody else may read.
    install --mode 600 "$operators_key" "/keys/$key"
    install --mode 644 "$operators_key.pub" "/keys/$key.pub"
  else
    ssh-keygen -q -t ed25519 -N '' -C "switchyard $key" -f "/keys/$key"
  fi
done
printf '* %s\n' "$(cut -d ' ' -f 1,2 /keys/host.pub)" >/keys/known_hosts.new
# Last, and whole: who sees this file has all keys.
mv /keys/known_hosts.new /keys/known_hosts
