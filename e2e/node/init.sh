#!/bin/bash
# Process 1 of the local node's namespaces: makes the node's own mounts, then starts the components and restarts what ends.
# Run by node.ts only, with the node's folder as argument; $PATH begins with the folders of the Kubernetes programs.
set -euo pipefail
dir=$1

# Paths that the components have compiled in are turned into the node's own.
mount -t tmpfs tmpfs /run
mkdir -p "$dir"/{varlib,varlog,kubelet,sysctl}
mount --bind "$dir/varlib" /var/lib
mount --bind "$dir/varlog" /var/log
# Volumes that pods mount for each other need a shared mount.
mount --bind "$dir/kubelet" "$dir/kubelet"
mount --make-rshared "$dir/kubelet"

# The kubelet sets these for the whole machine, whatever namespace it is in: let it find what it wants, and write elsewhere.
while read -r key value; do
  [ -e "/proc/sys/$key" ] || continue
  echo "$value" >"$dir/sysctl/${key//\//.}"
  mount --bind "$dir/sysctl/${key//\//.}" "/proc/sys/$key"
done <<'KEYS'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
KEYS

# node.ts joins us to the host's network, and writes the addresses into every file.
touch "$dir/started"
until [ -e "$dir/configured" ]; do sleep 0.05; done
# shellcheck disable=SC1091
. "$dir/node.env"
hostname "$NODE_NAME"
ip address add "$NODE_IP/30" dev eth0
ip link set lo up
ip link set eth0 up
ip route add default via "$HOST_IP"
echo 1 >/proc/sys/net/ipv4/ip_forward
[ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables

# With version 1, every controller is a hierarchy of its own.
awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts | while read -r mounted; do mkdir -p "$mounted/$NODE_NAME"; done

keep() { # NAME ARGUMENT...: runs the program, and again whenever it ends
  while :; do
    "$@" || true
    echo "--- $1 ended, starting it again"
    sleep 1
  done >>"$dir/log/$1.log" 2>&1 &
}

kubeconfig() { echo --kubeconfig "$dir/kubeconfigs/$1"; }

keep etcd --name node --data-dir "$dir/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
  --initial-cluster node=http://127.0.0.1:2380

keep containerd --config "$dir/containerd.toml"

keep kube-apiserver --advertise-address "$NODE_IP" --bind-address 0.0.0.0 \
  --etcd-servers http://127.0.0.1:2379 --service-cluster-ip-range "$SERVICE_CIDR" \
  --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
  --token-auth-file "$dir/tokens.csv" --tls-cert-file "$dir/pki/server.crt" --tls-private-key-file "$dir/pki/server.key" \
  --kubelet-preferred-address-types InternalIP \
  --kubelet-client-certificate "$dir/pki/client.crt" --kubelet-client-key "$dir/pki/client.key" \
  --service-account-issuer https://kubernetes.default.svc.cluster.local \
  --service-account-key-file "$dir/pki/server.crt" --service-account-signing-key-file "$dir/pki/server.key"

# shellcheck disable=SC2046
keep kubelet $(kubeconfig kubelet) --config "$dir/kubelet.json" --root-dir "$dir/kubelet" --cert-dir "$dir/kubelet/pki" \
  --hostname-override "$NODE_NAME" --node-ip "$NODE_IP"

# The others end with an error, and are slow to come back, where the API server does not yet know their roles.
# shellcheck disable=SC2046
until kubectl $(kubeconfig admin) --request-timeout 2s get --raw /readyz >/dev/null 2>&1; do sleep 0.2; done
# shellcheck disable=SC2046
kubectl $(kubeconfig admin) apply --filename "$dir/coredns-roles.json"

# shellcheck disable=SC2046
keep kube-controller-manager $(kubeconfig kube-controller-manager) --leader-elect=false --secure-port 0 \
  --use-service-account-credentials --service-account-private-key-file "$dir/pki/server.key" --root-ca-file "$dir/pki/ca.crt" \
  --flex-volume-plugin-dir "$dir/kubelet/volumeplugins"
# shellcheck disable=SC2046
keep kube-scheduler $(kubeconfig kube-scheduler) --leader-elect=false --secure-port 0
keep kube-proxy --config "$dir/kube-proxy.json"
keep coredns -conf "$dir/Corefile"
wait
