"""The schema registry of the stack: Apicurio, with the API that Confluent's clients speak."""

import httpx
import msgspec

from operations.stack.parts import Ground, PartName, java_command
from operations.stack.ports import LOOPBACK
from operations.stack.postgresql import REGISTRY_ROLE, Credentials
from operations.stack.processes import Launch
from operations.stack.settings import PortName

API = "/apis/ccompat/v7"


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """The registry; its schemas lie in the bus cluster."""

    ground: Ground
    credentials: Credentials
    name: PartName = PartName.REGISTRY
    listeners: tuple[PortName, ...] = (PortName.REGISTRY, PortName.REGISTRY_MANAGEMENT)
    after: tuple[PartName, ...] = (PartName.BUS,)

    def prepare(self) -> None:
        (self.ground.places.home / "tmp").mkdir(parents=True, exist_ok=True)

    def launch(self) -> Launch:
        ground = self.ground
        options = ("-Xms64m", "-Xmx384m", "-XX:TieredStopAtLevel=1")
        return Launch(
            command=java_command(
                ground, self.name, options, ("-jar", str(ground.software.registry / "quarkus-run.jar"))
            ),
            directory=ground.places.home,
            log=ground.places.log(self.name),
            environment={
                "QUARKUS_HTTP_HOST": LOOPBACK,
                "QUARKUS_HTTP_PORT": str(ground.ports[PortName.REGISTRY]),
                # a second listener, on all interfaces unless told otherwise
                "QUARKUS_MANAGEMENT_HOST": LOOPBACK,
                "QUARKUS_MANAGEMENT_PORT": str(ground.ports[PortName.REGISTRY_MANAGEMENT]),
                "APICURIO_STORAGE_KIND": "sql",
                "APICURIO_STORAGE_SQL_KIND": "postgresql",
                "APICURIO_DATASOURCE_URL": f"jdbc:postgresql://{ground.address(PortName.BUS)}/{REGISTRY_ROLE}",
                "APICURIO_DATASOURCE_USERNAME": REGISTRY_ROLE,
                "APICURIO_DATASOURCE_PASSWORD": self.credentials.registry,
            },
        )

    def is_ready(self) -> bool:
        address = f"http://{self.ground.address(PortName.REGISTRY)}{API}/subjects"
        try:
            return httpx.get(address, timeout=5).is_success
        except httpx.HTTPError:
            return False

    def complete(self) -> None:
        pass
