import ArgumentParser
import Foundation

/// What is known of the machine.
struct CalibrationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Measurements of this machine to predict from. (default: one kept in the user's cache, measured if there is none)",
      valueName: "file"))
  var calibration: String?

  @Flag(help: "Measure this machine anew, and keep the result in --calibration's file or the user's cache.")
  var calibrate = false

  /// Where calibrations are kept unless told otherwise; nil where no user's folder is known.
  static var cacheFolder: String? {
    let environment = ProcessInfo.processInfo.environment
    if let folder = environment["XDG_CACHE_HOME"], folder.hasPrefix("/") { return "\(folder)/switchyard" }
    return environment["HOME"].flatMap { $0.hasPrefix("/") ? "\($0)/.cache/switchyard" : nil }
  }
}
