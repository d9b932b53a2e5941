/** What the components of the local node are told, file by file. */

/** Each node has a number of its own, so that several fit beside each other on one machine. */
export interface NodeAddresses {
  readonly name: string
  /** The host's end of the cable. Pods reach servers on the host here. */
  readonly hostIp: string
  /** The API server, name server and node ports answer here. */
  readonly nodeIp: string
  readonly podCidr: string
  readonly serviceCidr: string
  /** Of the Service `kubernetes`: always the first of the range. */
  readonly kubernetesIp: string
}

/** @param number 0 to 255. */
export function addressesOf(number: number): NodeAddresses {
  return {
    name: `sluice-node-${number}`,
    hostIp: `10.240.${number}.1`,
    nodeIp: `10.240.${number}.2`,
    podCidr: `10.241.${number}.0/24`,
    serviceCidr: `10.242.${number}.0/24`,
    kubernetesIp: `10.242.${number}.1`,
  }
}

/** Who may talk to the API server, with the groups that its built-in roles are bound to. */
export function identities(node: NodeAddresses) {
  return [
    { name: 'admin', user: 'admin', group: 'system:masters' },
    { name: 'kubelet', user: `system:node:${node.name}`, group: 'system:nodes' },
    { name: 'kube-controller-manager', user: 'system:kube-controller-manager', group: '' },
    { name: 'kube-scheduler', user: 'system:kube-scheduler', group: '' },
    { name: 'kube-proxy', user: 'system:kube-proxy', group: '' },
    { name: 'coredns', user: 'coredns', group: '' },
  ] as const
}

export const pauseImage = 'localhost/pause:1'

/** The files in the node's folder, by name. */
export function configurationFiles(node: NodeAddresses, directory: string): ReadonlyMap<string, string> {
  return new Map([
    ['node.env', environment(node)],
    ['containerd.toml', containerd(directory)],
    ['cni/10-bridge.conflist', json(podNetwork(node))],
    ['kubelet.json', json(kubelet(node, directory))],
    ['kube-proxy.json', json(kubeProxy(node, directory))],
    ['resolv.conf', '# no name server: the cluster answers its own names only\n'],
    ['Corefile', corefile(node, directory)],
    ['coredns-roles.json', json(corednsRoles)],
  ])
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

function environment({ name, hostIp, nodeIp, serviceCidr }: NodeAddresses): string {
  return `NODE_NAME=${name}\nHOST_IP=${hostIp}\nNODE_IP=${nodeIp}\nSERVICE_CIDR=${serviceCidr}\n`
}

/**
 * Version 2 of the format is read by containerd 1.6 and 2 alike. restrict_oom_score_adj: without CAP_SYS_RESOURCE even root may not
 * lower a process's OOM score, which the sandbox of every pod asks for; runc then dies with "can't get final child's PID".
 */
function containerd(directory: string): string {
  return `version = 2
root = "${directory}/containerd"
state = "/run/containerd"

[grpc]
address = "/run/containerd/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${pauseImage}"
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "${directory}/cni"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
`
}

/** No masquerading: a pod reaches other pods, Services and the host, and nothing beyond it. */
function podNetwork({ podCidr }: NodeAddresses): object {
  const ipam = { type: 'host-local', dataDir: '/run/cni', ranges: [[{ subnet: podCidr }]], routes: [{ dst: '0.0.0.0/0' }] }
  return {
    cniVersion: '1.0.0',
    name: 'bridge',
    plugins: [
      { type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  }
}

/** Images cannot be pulled again, so none may be collected, and a full disk of the host must not evict pods. */
function kubelet({ name, nodeIp }: NodeAddresses, directory: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${name}`,
    // kubelet 1.35 and later refuse version 1 otherwise.
    failCgroupV1: false,
    failSwapOn: false,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${directory}/pki/ca.crt` },
    },
    authorization: { mode: 'Webhook' },
    clusterDomain: 'cluster.local',
    clusterDNS: [nodeIp],
    resolvConf: `${directory}/resolv.conf`,
    volumePluginDir: `${directory}/kubelet/volumeplugins`,
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'nodefs.inodesFree': '1%', 'imagefs.available': '1%' },
  }
}

/** The limits of connection tracking are the host's: they stay. */
function kubeProxy({ name, podCidr }: NodeAddresses, directory: string): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    hostnameOverride: name,
    clusterCIDR: podCidr,
    clientConnection: { kubeconfig: `${directory}/kubeconfigs/kube-proxy` },
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  }
}

/** A block for each zone: `hosts` ahead of `kubernetes` in one block would answer SERVFAIL for all other names. */
function corefile({ nodeIp, hostIp }: NodeAddresses, directory: string): string {
  return `cluster.local in-addr.arpa {
    bind ${nodeIp}
    errors
    kubernetes cluster.local in-addr.arpa {
        kubeconfig ${directory}/kubeconfigs/coredns
        ttl 5
    }
}
# Servers on the host.
sluice-node.internal {
    bind ${nodeIp}
    hosts {
        ${hostIp} host.sluice-node.internal
        ttl 5
    }
}
# Nothing else exists, and that is said at once.
. {
    bind ${nodeIp}
    template ANY ANY {
        rcode NXDOMAIN
    }
}
`
}

const rbac = 'rbac.authorization.k8s.io'

const corednsRoles = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'coredns' },
      rules: [
        { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'coredns' },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'coredns' },
      subjects: [{ apiGroup: rbac, kind: 'User', name: 'coredns' }],
    },
  ],
}
