#!/usr/local/autopkg/python
"""See docstring for PatchSourcePublisher class"""

import copy
import json
import os
import subprocess
import tempfile
from datetime import datetime, timezone
from urllib.parse import quote

from autopkglib import Processor, ProcessorError

__all__ = ["PatchSourcePublisher"]


class PatchSourcePublisher(Processor):
    """Adds a version to a title of a patch source (https://github.com/patchsource/patchsource)
    for Jamf Pro. The new version is a copy of the title's newest version, with the version number
    replaced. If the version exists already, nothing is changed."""

    description = __doc__
    input_variables = {
        "PATCHSOURCE_URL": {
            "required": True,
            "description": "URL of the patch source, such as https://patches.example.com.",
        },
        # PATCHSOURCE_TOKEN, a token for the title, is read too. It is not declared here because
        # AutoPkg prints declared variables and keeps them in its receipts.
        "patch_title_id": {"required": True, "description": "The id of the title."},
        "version": {"required": True, "description": "The new version."},
        "patch_minimum_os": {
            "required": False,
            "description": "Minimum macOS version. The default is that of the newest version.",
        },
        "patch_release_date": {
            "required": False,
            "description": "Release date, such as 2018-02-02T17:39:58Z. The default is now.",
        },
        "CURL_PATH": {
            "required": False,
            "default": "/usr/bin/curl",
            "description": "Path of curl.",
        },
    }
    output_variables = {
        "patch_version_added": {"description": "True if the version was added."},
        "patchsource_publisher_summary_result": {"description": "The added version."},
    }

    def call(self, method, path, body=None):
        """Sends a request to the patch source and returns the status and the answer."""
        url = self.env["PATCHSOURCE_URL"].rstrip("/") + path
        with tempfile.TemporaryDirectory() as work:
            answer = os.path.join(work, "answer")
            # curl reads the token from standard input: all users of the machine can see its
            # arguments.
            config = 'header = "Authorization: Bearer %s"\n' % self.env["PATCHSOURCE_TOKEN"]
            command = [
                self.env.get("CURL_PATH") or "/usr/bin/curl",
                "-sS", "--config", "-", "--retry", "3", "--max-time", "120",
                "-X", method, "-o", answer, "-w", "%{http_code}", url,
            ]
            if body is not None:
                name = os.path.join(work, "body")
                with open(name, "w", encoding="utf-8") as file:
                    json.dump(body, file)
                command[1:1] = ["-H", "Content-Type: application/json", "--data-binary", "@" + name]
            done = subprocess.run(command, input=config, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise ProcessorError("%s cannot be reached: %s" % (url, done.stderr.strip()))
            try:
                with open(answer, encoding="utf-8") as file:
                    return int(done.stdout), json.load(file)
            except (OSError, ValueError) as err:
                raise ProcessorError("the answer of %s is not JSON (status %s)" % (url, done.stdout)) from err

    @staticmethod
    def follow(newest, version, minimum_os, released, keys):
        """Returns a copy of the newest version with a new version number."""
        old = newest["version"]
        # Members that belong to the newest version only, such as a patchId, are omitted.
        known = ("standalone", "minimumOperatingSystem", "reboot", "killApps", "components", "capabilities", "dependencies")
        made = {key: copy.deepcopy(newest[key]) for key in known if key in newest}
        made["version"], made["releaseDate"] = version, released
        for component in made["components"]:
            component["version"] = version
            matching = [
                criterion
                for criterion in component["criteria"]
                if criterion["value"] == old and (criterion["name"] == "Application Version" or criterion["name"] in keys)
            ]
            if not matching:
                raise ProcessorError(
                    "no criterion of version %s has the value %s, so Jamf Pro could not distinguish %s from it: "
                    "add this version by hand" % (old, old, version)
                )
            for criterion in matching:
                criterion["value"] = version
        if minimum_os and minimum_os != newest["minimumOperatingSystem"]:
            made["minimumOperatingSystem"] = minimum_os
            for criterion in made["capabilities"]:
                if criterion["name"] == "Operating System Version" and criterion["value"] == newest["minimumOperatingSystem"]:
                    criterion["value"] = minimum_os
        return made

    def main(self):
        """Adds the version."""
        if not self.env.get("PATCHSOURCE_TOKEN"):
            raise ProcessorError("PATCHSOURCE_TOKEN is not set: defaults write com.github.autopkg PATCHSOURCE_TOKEN pst_…")
        title, version = self.env["patch_title_id"], self.env["version"]
        path = "/api/v1/titles/" + quote(title, safe="")
        self.env["patch_version_added"] = False
        status, definition = self.call("GET", path)
        if status != 200:
            raise ProcessorError("%s (status %d)" % (definition.get("message"), status))
        if any(patch["version"] == version for patch in definition["patches"]):
            self.output("%s has version %s already" % (title, version))
            return
        released = self.env.get("patch_release_date") or datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        keys = [attribute["key"] for attribute in definition["extensionAttributes"]]
        made = self.follow(definition["patches"][0], version, self.env.get("patch_minimum_os"), released, keys)
        status, answer = self.call("POST", path + "/versions?insert=ordered", made)
        if status == 409:  # the version was added in the meantime
            self.output(answer.get("message"))
            return
        if status != 201:
            places = "; ".join("%s: %s" % (e["path"], e["message"]) for e in answer.get("errors", []))
            raise ProcessorError("%s %s (status %d)" % (answer.get("message"), places, status))
        self.env["patch_version_added"] = True
        self.output(answer["message"])
        for warning in answer.get("warnings", []):
            self.output("Warning: %s: %s" % (warning["path"], warning["message"]))
        self.env["patchsource_publisher_summary_result"] = {
            "summary_text": "These versions were added to the patch source:",
            "report_fields": ["title", "version"],
            "data": {"title": title, "version": version},
        }


if __name__ == "__main__":
    PROCESSOR = PatchSourcePublisher()
    PROCESSOR.execute_shell()
