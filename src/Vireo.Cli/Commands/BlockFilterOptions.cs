using System.CommandLine;
using Microsoft.Extensions.Logging;
using Vireo.Backends.Block.Filters;
using Vireo.Cli.Configuration;
using Vireo.Devices.Block;

namespace Vireo.Cli.Commands;

/// <summary>What stands between a guest and its disk, whatever the disk is: limits, and what becomes of errors and of zeroes.</summary>
internal sealed class BlockFilterOptions
{
    private const int RequestsMax = int.MaxValue;

    private readonly Option<int?> _requests = Accept.OptionalNumber(
        "--iops",
        "Requests per second, over all queues.",
        least: 1,
        RequestsMax
    );

    private readonly Option<int?> _requestsBurst = Accept.OptionalNumber(
        "--iops-burst",
        "Requests at once after a pause; default: a tenth of a second's worth.",
        least: 1,
        RequestsMax
    );

    private readonly Option<long?> _bytes = Accept.Bytes(
        "--bps",
        "Bytes per second read and written, over all queues."
    );

    private readonly Option<long?> _bytesBurst = Accept.Bytes(
        "--bps-burst",
        "Bytes at once after a pause; default: a tenth of a second's worth."
    );

    private readonly Option<ErrorAction> _onRead = Accept.Choice(
        "--rerror",
        "What becomes of reads that the host fails: the guest is told, is told nothing, or the disk stops until SIGHUP.",
        ("report", ErrorAction.Report),
        ("ignore", ErrorAction.Ignore),
        ("stop", ErrorAction.Stop)
    );

    private readonly Option<ErrorAction> _onWrite = Accept.Choice(
        "--werror",
        "The same for writes; enospc stops the disk when the host is full, and else reports.",
        ("report", ErrorAction.Report),
        ("ignore", ErrorAction.Ignore),
        ("stop", ErrorAction.Stop),
        ("enospc", ErrorAction.StopIfFull)
    );

    private readonly Option<ZeroDetection> _detectZeroes = Accept.Choice(
        "--detect-zeroes",
        "Make zeroes of writes that consist of them: with their room (on), or without (unmap).",
        ("off", ZeroDetection.Off),
        ("on", ZeroDetection.Keep),
        ("unmap", ZeroDetection.Unmap)
    );

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_requests);
        command.Add(_requestsBurst);
        command.Add(_bytes);
        command.Add(_bytesBurst);
        command.Add(_onRead);
        command.Add(_onWrite);
        command.Add(_detectZeroes);
    }

    /// <summary>Puts in front of a disk what the command line asks for.</summary>
    /// <param name="result">The parsed command line.</param>
    /// <param name="disk">The disk; stays the caller's.</param>
    /// <param name="resources">What the filters may use.</param>
    /// <param name="reload">Called when the operator asks for it; what is to happen then is added.</param>
    /// <returns>The disk to serve; what was made holds nothing that has to be released.</returns>
    public IBlockBackend Apply(ParseResult result, IBlockBackend disk, DeviceResources resources, ref Action? reload)
    {
        if (result.GetValue(_detectZeroes) is not ZeroDetection.Off and var detection)
        {
            disk = new ZeroDetectingDisk(disk, mayUnmap: detection == ZeroDetection.Unmap);
        }

        (ErrorAction onRead, ErrorAction onWrite) = (result.GetValue(_onRead), result.GetValue(_onWrite));
        if (onRead != ErrorAction.Report || onWrite != ErrorAction.Report)
        {
            ILogger logger = resources.Logger;
            var policy = new ErrorPolicyDisk(disk, resources.Loops, onRead, onWrite)
            {
                Stopped = why =>
                    BlockLog.Stopped(logger, why == BlockResult.NoSpace ? "the host is full" : "of an error"),
            };
            reload += policy.Resume;
            disk = policy;
        }

        ThrottleLimits limits = new()
        {
            RequestsPerSecond = result.GetValue(_requests) ?? 0,
            RequestsBurst = result.GetValue(_requestsBurst) ?? 0,
            BytesPerSecond = result.GetValue(_bytes) ?? 0,
            BytesBurst = result.GetValue(_bytesBurst) ?? 0,
        };
        CheckBurst(limits.RequestsPerSecond, limits.RequestsBurst, "--iops-burst", "--iops");
        CheckBurst(limits.BytesPerSecond, limits.BytesBurst, "--bps-burst", "--bps");
        return limits is { RequestsPerSecond: 0, BytesPerSecond: 0 }
            ? disk
            : new ThrottledDisk(disk, limits, resources.Loops);
    }

    private static void CheckBurst(long rate, long burst, string burstName, string rateName)
    {
        if (rate == 0 && burst != 0)
        {
            throw new CommandException(
                $"{burstName} says how far {rateName} may be passed; give that, too",
                ExitCode.Usage
            );
        }
    }
}
