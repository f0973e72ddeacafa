"""What every manifest must keep: `policy.py VERSION,VERSION BUILD COMMAND…` builds all of deploy/k8s and prints each violation.

A rule is a function from the objects of one build to sentences. policy_test.py proves that each rule can fail.
"""
import pathlib
import re
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "deploy/k8s"
SERVICES = ("chain-ingestor", "metrics", "portfolio", "api")
# Kinds of other projects, of which no schema is known here.
FOREIGN = {"ScaledObject"}
# Made by the operator, so in no build.
OPERATORS_CONFIG_MAPS = {"site"}
WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job"}


def name_of(it):
    return f'{it["kind"]} {it["metadata"]["name"]}'


def workloads(objects):
    return [it for it in objects if it["kind"] in WORKLOADS]


def pods(objects):
    return [(it, it["spec"]["template"]["spec"]) for it in workloads(objects)]


def containers(objects, with_init=True):
    for it, pod in pods(objects):
        for container in pod["containers"] + (pod.get("initContainers", []) if with_init else []):
            yield f'{name_of(it)}, container {container["name"]}', container


def services(objects):
    return [it for it in objects if it["kind"] == "Deployment" and it["metadata"]["name"] in SERVICES]


def selects(selector, labels):
    """Whether a label selector selects these labels."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(it["operator"] == "In" and labels.get(it["key"]) in it["values"] for it in selector.get("matchExpressions", []))


def pod_labels(it):
    return it["spec"]["template"]["metadata"]["labels"]


def no_root(objects):
    for it, pod in pods(objects):
        security = pod.get("securityContext", {})
        if not security.get("runAsNonRoot") or not security.get("runAsUser"):
            yield f"{name_of(it)} may run as root"
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{name_of(it)} has no seccomp profile"
    for where, container in containers(objects):
        security = container.get("securityContext", {})
        if security.get("runAsUser") == 0 or security.get("runAsNonRoot") is False or security.get("privileged"):
            yield f"{where} runs as root"
        if security.get("allowPrivilegeEscalation") is not False or security.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{where} keeps rights"


def no_reach_to_the_node(objects):
    for it, pod in pods(objects):
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{name_of(it)} holds a token of the cluster"
        if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{name_of(it)} shares the node's network or processes"
        if any("hostPath" in volume for volume in pod.get("volumes", [])):
            yield f"{name_of(it)} mounts a folder of the node"


def read_only_root(objects):
    for where, container in containers(objects):
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            yield f"{where} can write to its root"


def limits_set(objects):
    for where, container in containers(objects):
        for kind in ("requests", "limits"):
            missing = {"cpu", "memory"} - set(container.get("resources", {}).get(kind, {}))
            if missing:
                yield f"{where} has no {kind} of {', '.join(sorted(missing))}"


def images_fixed(objects):
    images = [(where, container.get("image", "")) for where, container in containers(objects)]
    for it, pod in pods(objects):
        images += [(f"{name_of(it)}, volume", volume["image"].get("reference", "")) for volume in pod.get("volumes", []) if "image" in volume]
    for where, image in images:
        tag = image.split("@")[0].rpartition("/")[2].partition(":")[2]
        digest = re.search(r"@sha256:[0-9a-f]{64}$", image)
        if tag == "latest" or not (tag or digest):
            yield f"{where}: the image {image} is not fixed"
        elif "volume" in where.rpartition(", ")[2] and not digest:
            yield f"{where}: the image {image} is fetched without a digest"
        elif not image.startswith("chaintape/") and not digest:
            yield f"{where}: the image {image} of others is not fixed by its digest"


# A place where a secret lies is none.
SECRET_NAME = re.compile(r"(?!.*_(FILE|DIR)$).*(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|_RPC_URL)", re.I)
SECRET_VALUE = re.compile(r"://[^/\s:@]+:[^/\s@]+@|BEGIN [A-Z ]*PRIVATE KEY")


def no_secret_values(objects):
    for it in objects:
        if it["kind"] == "Secret":
            yield f"{name_of(it)} is in the repository"
        if it["kind"] == "ConfigMap":
            for key, text in it.get("data", {}).items():
                lines = [line for line in text.splitlines() if not line.lstrip().startswith(("#", "-- "))]
                # What stands in a file of variables is a name and a value.
                pairs = [(key, text)] + [tuple(line.split("=", 1)) for line in lines if re.match(r"[A-Z_]+=", line)]
                for name, value in pairs:
                    placed = SECRET_NAME.search(name) and value and not value.startswith(LOCAL)
                    if (placed and name.isupper()) or any(SECRET_VALUE.search(line) for line in lines):
                        yield f"{name_of(it)}: {name} looks like a secret"
    for where, container in containers(objects):
        for variable in container.get("env", []):
            value = str(variable.get("value") or "")
            if SECRET_VALUE.search(value) or (SECRET_NAME.search(variable["name"]) and value and not value.startswith(LOCAL)):
                yield f'{where}: {variable["name"]} has a value here, not a reference'


# Nodes of recorded blocks have no key.
LOCAL = ("http://127.0.0.1:", "http://replay-node:")


def probes_set(objects):
    for it, pod in pods(objects):
        for container in [] if it["kind"] == "Job" else pod["containers"]:
            missing = [probe for probe in ("startupProbe", "livenessProbe", "readinessProbe") if probe not in container]
            if missing:
                yield f'{name_of(it)}, container {container["name"]} has no {", ".join(missing)}'


def surrounded(objects):
    """Each service has an identity, a budget, a network policy and is spread; a scaler, where nothing fixes its number."""
    for it in services(objects):
        service, pod = it["metadata"]["name"], it["spec"]["template"]["spec"]
        beside = lambda kind: [other for other in objects if other["kind"] == kind and other["metadata"]["name"] == service]
        for kind in ("ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"):
            if not beside(kind):
                yield f"{service} has no {kind}"
        if pod.get("serviceAccountName") != service:
            yield f"{service} runs under the account {pod.get('serviceAccountName')}"
        budgets = [budget["spec"]["selector"] for budget in beside("PodDisruptionBudget")]
        if not all(selects(selector, pod_labels(it)) for selector in budgets):
            yield f"the budget of {service} is not about its pods"
        if len(pod.get("topologySpreadConstraints", [])) < 2:
            yield f"{service} is not spread over zones and nodes"
        scaled = beside("HorizontalPodAutoscaler") + beside("ScaledObject")
        if "replicas" in it["spec"] and scaled:
            yield f"{service} has a number and an autoscaler, which would fight"
        if "replicas" not in it["spec"] and len(scaled) != 1:
            yield f"{service} has {len(scaled)} autoscalers"


def only_the_api_is_reached(objects):
    policies = [it for it in objects if it["kind"] == "NetworkPolicy"]
    for it in workloads(objects):
        about = [policy["spec"] for policy in policies if selects(policy["spec"]["podSelector"], pod_labels(it))]
        for direction in ("Ingress", "Egress"):
            if not any(direction in policy["policyTypes"] for policy in about):
                yield f"{name_of(it)} has no policy on {direction}"
        rules = [rule for policy in about for rule in policy.get("ingress") or []]
        for rule in rules:
            everybody = not rule.get("from")
            ports = [port["port"] for port in rule.get("ports", [])]
            if everybody and (it["metadata"]["name"] != "api" or ports != [8080]):
                yield f"{name_of(it)} is reached by everybody at {ports or 'every port'}"
    for it in objects:
        if it["kind"] == "Service" and it["spec"].get("type", "ClusterIP") != "ClusterIP":
            yield f"{name_of(it)} is published outside of the cluster"


def references_resolve(objects):
    """What a pod names is in the build, or is the operator's and stands in the README."""
    readme = (HERE / "README.md").read_text()
    made = {it["metadata"]["name"] for it in objects if it["kind"] == "ConfigMap"} | OPERATORS_CONFIG_MAPS
    accounts = {it["metadata"]["name"] for it in objects if it["kind"] == "ServiceAccount"} | {"default"}
    for it, pod in pods(objects):
        maps, secrets = set(), set()
        for container in pod["containers"] + pod.get("initContainers", []):
            for source in container.get("envFrom", []) + [each.get("valueFrom") or {} for each in container.get("env", [])]:
                maps |= {source[key]["name"] for key in ("configMapRef", "configMapKeyRef") if key in source}
                secrets |= {source[key]["name"] for key in ("secretRef", "secretKeyRef") if key in source}
        for volume in pod.get("volumes", []):
            maps |= {volume["configMap"]["name"]} if "configMap" in volume else set()
            secrets |= {volume["secret"]["secretName"]} if "secret" in volume else set()
        for missing in sorted(maps - made):
            yield f"{name_of(it)} names the ConfigMap {missing}, which is not there"
        for missing in sorted(secret for secret in secrets if f"`{secret}`" not in readme):
            yield f"{name_of(it)} names the Secret {missing}, of which the README says nothing"
        if pod.get("serviceAccountName", "default") not in accounts:
            yield f"{name_of(it)} names an account that is not there"


def one_namespace(objects):
    spaces = {it["metadata"].get("namespace") for it in objects if it["kind"] != "Namespace"}
    if len(spaces) != 1 or None in spaces:
        yield f"objects are in the namespaces {sorted(map(str, spaces))}"


def jobs_named_by_version(objects):
    """A job cannot be changed, so a new version needs a new name."""
    for it in objects:
        if it["kind"] == "Job" and "-migrate" in it["metadata"]["name"]:
            version = it["spec"]["template"]["spec"]["initContainers"][0]["image"].split("@")[0].rpartition(":")[2]
            if not version or not it["metadata"]["name"].endswith(f"-migrate-{version}"):
                yield f"{name_of(it)} migrates to {version or 'no version'}"


def one_source_of_truth(objects):
    """Variables and chains are the files of env/, all of them, unchanged."""
    for it in services(objects):
        service, space = it["metadata"]["name"], it["metadata"].get("namespace", "")
        environment = space.rpartition("-")[2]
        expected = {f"{service}-environment": sorted((ROOT / "env").glob(".env*"))}
        if service == "chain-ingestor":
            expected["chains"] = sorted((ROOT / f"env/chains/{environment}").glob("*.toml"))
        for name, files in expected.items():
            found = [o["data"] for o in objects if o["kind"] == "ConfigMap" and re.fullmatch(rf"{name}-[a-z0-9]{{10}}", o["metadata"]["name"])]
            if found != [{file.name: file.read_text() for file in files}]:
                yield f"the ConfigMap {name} of {space} is not what stands in env/"


RULES = [
    no_root, no_reach_to_the_node, read_only_root, limits_set, images_fixed, no_secret_values, probes_set, surrounded,
    only_the_api_is_reached, references_resolve, one_namespace, jobs_named_by_version, one_source_of_truth,
]


def build(command, folder):
    built = subprocess.run([*command, str(folder)], capture_output=True, text=True, cwd=ROOT)
    if built.returncode:
        raise SystemExit(f"k8s: {folder}: {built.stderr.strip()}")
    return [it for it in yaml.safe_load_all(built.stdout) if it]


def violations(objects):
    return [f"{rule.__name__}: {sentence}" for rule in RULES for sentence in rule(objects)]


def schema_violations(objects, versions):
    import kubernetes_validate

    for it in objects:
        for version in [] if it["kind"] in FOREIGN else versions:
            try:
                kubernetes_validate.validate(it, version, strict=True)
            except Exception as error:
                yield f'schema {version}: {name_of(it)}: {getattr(error, "message", None) or str(error).splitlines()[0]}'


def folders():
    """Every folder that can be applied: overlays, their services, examples."""
    return sorted(path.parent for top in ("overlays", "examples") for path in (HERE / top).rglob("kustomization.yaml"))


def main():
    versions, command = sys.argv[1].split(","), sys.argv[2:]
    found, count, builds = [], 0, {}
    for folder in folders():
        objects = builds[folder] = build(command, folder.relative_to(ROOT))
        count += len(objects)
        for sentence in [*schema_violations(objects, versions), *violations(objects)]:
            found.append(f"{folder.relative_to(HERE)}: {sentence}")
    for overlay in (HERE / "overlays").iterdir():
        whole = {name_of(it) for it in builds[overlay]}
        parts = {name_of(it) for part in ("site", *SERVICES) for it in builds[overlay / part]}
        if whole != parts:
            found.append(f"{overlay.relative_to(HERE)}: is not its site and its four services: {sorted(whole ^ parts)}")
    print("\n".join(f"k8s: {it}" for it in found) or f"k8s: {len(builds)} builds, {count} objects, {len(RULES)} policies, schemas of {' and '.join(versions)}: all is well")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
