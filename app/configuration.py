"""Everything that is configured, read once: settings, rules, registry; and what the parts get of it as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from alerts.policy import Policy, RulePolicy, StoreInfo
from app.rule_files import RuleFile, read_rule_files, rulebook_of_files
from config.settings import Effective, Institution, Registry, load_registry, load_settings, packaged, read_text
from detectors.catalogue import Rulebook, Ruleset
from events.errors import ConfigError
from storage.access.accounts import ROLES, Role
from streams.embedded import Limits
from video.settings import CameraSettings, SecretBytes, VideoSettings, VisitorSettings
from web.ports import InstitutionEntry, SignOnSettings, TillEntry, WebLimits

LEAST_SECRET_CHARACTERS = 32
LEAST_SIMILARITY = {"sface": 0.50, "dlib": 0.92}
"""Below this cosine of an engine's embeddings, strangers are one visitor."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A validated whole; `rules_given` says that somebody named the rules, which else are those that ship.

    `registry_folder` is where the registry's films are; None where there is no registry.
    """

    effective: Effective
    rules: Rulebook
    rule_files: tuple[RuleFile, ...]
    rules_path: Path
    rules_given: bool
    registry: Registry
    registry_folder: Path | None


def read_configuration(
    settings_file: Path | None = None, rules_file: Path | None = None, registry_file: Path | None = None
) -> Configuration:
    """Returns the validated configuration; files given here come before those that the settings name.

    Raises: ConfigError naming file, key, value and what is allowed.
    """
    effective = load_settings(settings_file)
    settings = effective.settings
    given = rules_file or _named(settings.rules_file, settings_file)
    rules_path = given or packaged("rules.yaml")
    files = read_rule_files(rules_path)
    registry_path = registry_file or _named(settings.registry_file, settings_file)
    return Configuration(
        effective=effective,
        rules=rulebook_of_files(files, rules_path),
        rule_files=files,
        rules_path=rules_path,
        rules_given=given is not None,
        registry=Registry() if registry_path is None else load_registry(registry_path),
        registry_folder=None if registry_path is None else registry_path.parent,
    )


def alert_policy(configuration: Configuration, rulebook: Rulebook) -> Policy:
    """Returns how findings become alerts under these rules."""
    alerts = configuration.effective.settings.alerts
    versions = {ruleset.version: _rule_policies(ruleset, alerts.breaker) for ruleset in rulebook.versions}
    return Policy(
        rules=versions[rulebook.versions[-1].version],
        versions=versions,
        store_names={
            institution.institution_id: StoreInfo(
                name_zh=institution.name_zh, name_en=institution.name_en, time_zone=institution.time_zone
            )
            for institution in configuration.registry.institutions
        },
        episode_ms=int(alerts.episode),
        stale_ms=int(alerts.stale_after),
    )


def _rule_policies(ruleset: Ruleset, breaker: int) -> dict[str, RulePolicy]:
    return {
        entry.name: RulePolicy(
            route=entry.settings.route,
            texts=entry.settings.texts,
            title=entry.settings.title,
            escalate_after_ms=int(entry.settings.escalate_after),
            breaker=breaker if entry.settings.breaker is None else entry.settings.breaker,
        )
        for entry in ruleset.entries
    }


def pipeline_limits(configuration: Configuration) -> Limits:
    """Returns the bounds of the pipeline."""
    pipeline = configuration.effective.settings.pipeline
    return Limits(
        queue_events=pipeline.queue_limit_events,
        batch_events=pipeline.batch_limit_events,
        tick_ms=int(pipeline.tick),
    )


def web_limits(configuration: Configuration) -> WebLimits:
    """Returns the bounds of the web."""
    web = configuration.effective.settings.web
    return WebLimits(body_bytes=web.body_limit_bytes, submit_deadline_s=web.submit_deadline / 1000)


def sign_on(configuration: Configuration) -> SignOnSettings | None:
    """Returns the centre's single sign-on, or None where there is none. Raises: ConfigError."""
    effective = configuration.effective
    settings = effective.settings.sign_on
    if settings.issuer is None:
        return None
    if not _is_safe(settings.issuer):
        raise ConfigError(effective.sources["sign_on.issuer"], "sign_on.issuer", settings.issuer, "an https:// address")
    if settings.client_secret_file is None:
        key = "sign_on.client_secret_file"
        raise ConfigError(effective.sources[key], key, "null", "the file with the provider's secret")
    secret = read_text(Path(settings.client_secret_file)).strip()
    return SignOnSettings(
        issuer=settings.issuer,
        client_id=settings.client_id,
        client_secret=secret,
        scope=settings.scope,
        username_claim=settings.username_claim,
        role_claim=settings.role_claim,
        roles=dict(_role_of(entry, effective.sources["sign_on.roles"]) for entry in settings.roles),
    )


def _is_safe(issuer: str) -> bool:
    address = urlsplit(issuer)
    return address.scheme == "https" or (address.scheme == "http" and address.hostname in {"127.0.0.1", "localhost"})


def _role_of(entry: str, source: str) -> tuple[str, Role]:
    word, _, role = entry.rpartition("=")
    if role not in ROLES:
        raise ConfigError(source, "sign_on.roles", entry, f"VALUE=ROLE, with a role of {', '.join(ROLES)}")
    return word, role


def institution_entries(registry: Registry) -> list[InstitutionEntry]:
    """Returns the registry as the screens need it."""
    return [_institution_entry(institution) for institution in registry.institutions]


def cameras_of_file(registry: Registry) -> tuple[CameraSettings, ...]:
    """Returns the cameras that the registry file names, as it says them."""
    return tuple(
        CameraSettings(
            camera_id=camera.camera_id,
            institution_id=institution.institution_id,
            till_id=till.till_id,
            source=camera.source,
            loop=camera.loop,
            epoch_ms=camera.epoch_ms,
            zone=camera.zone,
            clock_offset_ms=camera.clock_offset_ms,
            at_store=camera.at_store,
        )
        for institution in registry.institutions
        for till in institution.tills
        for camera in till.cameras
    )


def camera_work(configuration: Configuration, cameras: Sequence[CameraSettings]) -> VideoSettings:
    """Returns what the camera worker is told at its start."""
    video, visitors = configuration.effective.settings.video, configuration.effective.settings.visitors
    return VideoSettings(
        cameras=tuple(cameras),
        processes=video.processes,
        ring_bytes=video.memory_bytes,
        engine=video.engine,
        second_engine=video.second_engine,
        vote=video.vote,
        min_face_px=video.min_face_px,
        presence_interval_ms=int(video.presence_interval),
        clock_drift_limit_ms=int(video.clock_drift_limit),
        visitor_ttl_ms=int(visitors.ttl),
    )


def visitor_settings(configuration: Configuration, folder: Path, key: bytes) -> VisitorSettings:
    """Returns how visitors are told apart and where they are remembered, for whoever does so."""
    settings = configuration.effective.settings
    return VisitorSettings(
        similarity=max(settings.visitors.similarity, LEAST_SIMILARITY[settings.video.engine]),
        ttl_ms=int(settings.visitors.ttl),
        folder=str(folder),
        key=SecretBytes(key),
    )


def visitor_secret(configuration: Configuration) -> bytes:
    """Returns what whoever asks for a region's visitors and whoever answers share. Raises: ConfigError."""
    effective = configuration.effective
    file, key = effective.settings.visitors.secret_file, "visitors.secret_file"
    if file is None:
        raise ConfigError(effective.sources[key], key, "null", "the file with the secret of the region's visitors")
    secret = read_text(Path(file)).strip()
    if len(secret) < LEAST_SECRET_CHARACTERS or Path(file).stat().st_mode & 0o077:
        allowed = f"at least {LEAST_SECRET_CHARACTERS} characters, readable by its owner alone (0600)"
        raise ConfigError(effective.sources[key], key, file, allowed)
    return secret.encode()


def _institution_entry(institution: Institution) -> InstitutionEntry:
    return InstitutionEntry(
        institution_id=institution.institution_id,
        kind=institution.kind,
        name_zh=institution.name_zh,
        name_en=institution.name_en,
        time_zone=institution.time_zone,
        tills=tuple(
            TillEntry(
                till_id=till.till_id,
                name_zh=till.name_zh,
                name_en=till.name_en,
            )
            for till in institution.tills
        ),
    )


def _named(name: str | None, settings_file: Path | None) -> Path | None:
    """Returns the path that a setting names, relative to the settings file's folder."""
    if name is None:
        return None
    return Path(name) if settings_file is None else settings_file.parent / name
