"""Proves that every policy can fail: each change below to the manifests of prod must be refused by the rule that it is for.

`policy_test.py BUILD COMMAND…`, called by deploy/k8s/check.
"""
import copy
import sys

import policy


def find(objects, kind, name):
    return next(it for it in objects if it["kind"] == kind and it["metadata"]["name"].startswith(name))


def pod(objects, name="api", kind="Deployment"):
    return find(objects, kind, name)["spec"]["template"]["spec"]


def container(objects, name="api"):
    return pod(objects, name)["containers"][0]


def env(objects, name, value):
    container(objects)["env"].append({"name": name, "value": value})


def drop(objects, kind, name):
    objects.remove(find(objects, kind, name))


def ingress(objects, name, rule):
    find(objects, "NetworkPolicy", name)["spec"].setdefault("ingress", []).append(rule)


def volume(objects, it):
    pod(objects)["volumes"].append(it)


CHANGES = {
    policy.no_root: [
        lambda o: pod(o)["securityContext"].pop("runAsNonRoot"),
        lambda o: pod(o)["securityContext"].update(runAsUser=0),
        lambda o: pod(o)["securityContext"].pop("seccompProfile"),
        lambda o: pod(o, "metrics-migrate", "Job").pop("securityContext"),
        lambda o: container(o)["securityContext"].update(runAsUser=0),
        lambda o: container(o)["securityContext"].update(privileged=True),
        lambda o: container(o)["securityContext"].pop("allowPrivilegeEscalation"),
        lambda o: container(o)["securityContext"].update(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}),
        lambda o: pod(o, "chain-ingestor")["initContainers"][0].pop("securityContext"),
    ],
    policy.no_reach_to_the_node: [
        lambda o: pod(o).pop("automountServiceAccountToken"),
        lambda o: pod(o).update(hostNetwork=True),
        lambda o: volume(o, {"name": "x", "hostPath": {"path": "/"}}),
    ],
    policy.read_only_root: [
        lambda o: container(o)["securityContext"].pop("readOnlyRootFilesystem"),
        lambda o: pod(o, "chain-ingestor")["initContainers"][0]["securityContext"].update(readOnlyRootFilesystem=False),
    ],
    policy.limits_set: [
        lambda o: container(o).pop("resources"),
        lambda o: container(o)["resources"]["limits"].pop("memory"),
        lambda o: container(o)["resources"]["requests"].pop("cpu"),
        lambda o: pod(o, "chain-ingestor")["initContainers"][0]["resources"].pop("limits"),
    ],
    policy.images_fixed: [
        lambda o: container(o).update(image="chaintape/api:latest"),
        lambda o: container(o).update(image="chaintape/api"),
        lambda o: container(o).update(image="host:5000/chaintape/api"),
        lambda o: container(o).update(image="postgres:17.6-bookworm"),
        lambda o: volume(o, {"name": "x", "image": {"reference": "chaintape/plugins:0.1.0"}}),
    ],
    policy.no_secret_values: [
        lambda o: o.append({"kind": "Secret", "metadata": {"name": "x", "namespace": "chaintape-prod"}}),
        lambda o: env(o, "DATABASE_URL", "postgres://api:word@postgres/chaintape"),
        lambda o: env(o, "MORALIS_API_KEY", "eyJhbGciOi"),
        lambda o: env(o, "ETH_RPC_URL", "https://node.example/v2/0123456789abcdef"),
        lambda o: find(o, "ConfigMap", "site")["data"].update(ALCHEMY_API_KEY="0123"),
        lambda o: find(o, "ConfigMap", "api-environment")["data"].update({".env": "MORALIS_API_KEY=0123\n"}),
        lambda o: find(o, "ConfigMap", "chains")["data"].update({"x.toml": 'endpoints = ["https://me:word@node.example"]'}),
        lambda o: find(o, "ConfigMap", "site")["data"].update(KEY="-----BEGIN PRIVATE KEY-----"),
    ],
    policy.probes_set: [
        lambda o, probe=probe: container(o, service).pop(probe)
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        for service in ("metrics",)
    ],
    policy.surrounded: [
        lambda o: drop(o, "ServiceAccount", "metrics"),
        lambda o: drop(o, "PodDisruptionBudget", "chain-ingestor"),
        lambda o: drop(o, "NetworkPolicy", "portfolio"),
        lambda o: drop(o, "HorizontalPodAutoscaler", "api"),
        lambda o: pod(o).update(serviceAccountName="default"),
        lambda o: pod(o).pop("topologySpreadConstraints"),
        lambda o: find(o, "Deployment", "api")["spec"].update(replicas=2),
        lambda o: find(o, "PodDisruptionBudget", "api")["spec"].update(selector={"matchLabels": {"app.kubernetes.io/name": "ap"}}),
    ],
    policy.only_the_api_is_reached: [
        lambda o: ingress(o, "metrics", {"ports": [{"port": 9101}]}),
        lambda o: ingress(o, "api", {"ports": [{"port": 9100}]}),
        lambda o: ingress(o, "api", {}),
        lambda o: find(o, "Service", "api")["spec"].update(type="LoadBalancer"),
        lambda o: [drop(o, "NetworkPolicy", "default-deny"), drop(o, "NetworkPolicy", "portfolio")],
    ],
    policy.references_resolve: [
        lambda o: drop(o, "ConfigMap", "metrics-environment"),
        lambda o: volume(o, {"name": "x", "secret": {"secretName": "unheard-of"}}),
        lambda o: pod(o).update(serviceAccountName="nobody"),
    ],
    policy.one_namespace: [
        lambda o: find(o, "Deployment", "api")["metadata"].update(namespace="default"),
        lambda o: find(o, "Deployment", "api")["metadata"].pop("namespace"),
    ],
    policy.jobs_named_by_version: [
        lambda o: pod(o, "metrics-migrate", "Job")["initContainers"][0].update(image="chaintape/metrics:0.2.0"),
    ],
    policy.one_source_of_truth: [
        lambda o: find(o, "ConfigMap", "chains")["data"].popitem(),
        lambda o: find(o, "ConfigMap", "api-environment")["data"].update({".env.prod": "TOPIC_REPLICATION=1"}),
    ],
}


def main():
    objects = policy.build(sys.argv[1:], "deploy/k8s/overlays/prod")
    clean = policy.violations(objects)
    assert not clean, "\n".join(clean)
    unproved = [rule.__name__ for rule in policy.RULES if not CHANGES.get(rule)]
    assert not unproved, f"no change proves that {unproved} can fail"
    count = 0
    for rule, changes in CHANGES.items():
        for number, change in enumerate(changes, 1):
            changed = copy.deepcopy(objects)
            change(changed)
            assert list(rule(changed)), f"{rule.__name__} accepts its change {number}"
            count += 1
    # And the schemas: an unknown field is refused.
    wrong = copy.deepcopy(find(objects, "HorizontalPodAutoscaler", "api"))
    wrong["spec"]["measures"] = wrong["spec"].pop("metrics")
    assert list(policy.schema_violations([wrong], ["1.33.1"])), "the schemas accept an unknown field"
    print(f"k8s: {len(CHANGES)} policies refuse {count} changes that break them, and the schemas an unknown field")


if __name__ == "__main__":
    main()
