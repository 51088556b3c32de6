using System.CommandLine;
using Vireo.Backends.Net.Capture;
using Vireo.Backends.Net.Limits;
using Vireo.Cli.Configuration;
using Vireo.Devices.Net;
using Vireo.Linux.Events;

namespace Vireo.Cli.Commands;

/// <summary>What may stand between a network card and its place: a recording, limits.</summary>
internal sealed class NetPortFilters
{
    private const int SnapMin = 14;
    private const int SnapMax = 262_144;
    private const int FilesMax = 1000;
    private const int KiB = 1024;

    private readonly Option<string?> _capture = new("--capture")
    {
        Description = "Record all packets in this file, for Wireshark, tshark and tcpdump (pcapng).",
        HelpName = "FILE",
    };

    private readonly Option<int?> _captureSize = Accept.OptionalNumber(
        "--capture-size",
        "With --capture: begin a new file at so many MiB; older ones are FILE.1, FILE.2 and so on.",
        least: 1,
        1 << 20
    );

    private readonly Option<int?> _captureFiles = Accept.OptionalNumber(
        "--capture-files",
        "With --capture-size: how many files are kept.",
        least: 1,
        FilesMax
    );

    private readonly Option<int?> _snap = Accept.OptionalNumber(
        "--snap-length",
        "With --capture: how many bytes of each packet are recorded.",
        SnapMin,
        SnapMax
    );

    private readonly Option<int?> _bandwidth = Accept.OptionalNumber(
        "--bandwidth",
        "Let so many Mbit/s through, in each direction.",
        least: 1,
        1_000_000
    );

    private readonly Option<int?> _packetRate = Accept.OptionalNumber(
        "--packet-rate",
        "Let so many packets through in a second, in each direction.",
        least: 1,
        int.MaxValue
    );

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_capture);
        command.Add(_captureSize);
        command.Add(_captureFiles);
        command.Add(_snap);
        command.Add(_bandwidth);
        command.Add(_packetRate);
        command.Validators.Add(result =>
        {
            bool hasDetails =
                result.GetResult(_captureSize) is not null
                || result.GetResult(_captureFiles) is not null
                || result.GetResult(_snap) is not null;
            if (hasDetails && result.GetResult(_capture) is null)
            {
                result.AddError("--capture-size, --capture-files and --snap-length are about the file of --capture");
            }
        });
    }

    /// <summary>Puts in front of a port what a command line asks for.</summary>
    /// <param name="port">The port; becomes the result's, and is released if that fails.</param>
    /// <param name="subject">What it is called.</param>
    /// <param name="result">The command line.</param>
    /// <param name="loops">The loops that the device's queues run on.</param>
    public INetPort Apply(INetPort port, string subject, ParseResult result, EventLoopGroup loops)
    {
        try
        {
            long bits = (result.GetValue(_bandwidth) ?? 0) * 1_000_000L;
            long packets = result.GetValue(_packetRate) ?? 0;
            if (bits != 0 || packets != 0)
            {
                port = new LimitedPort(port, new(bits, packets), loops);
            }

            if (result.GetValue(_capture) is { } path)
            {
                CaptureOptions options = new()
                {
                    SnapBytes = result.GetValue(_snap) ?? SnapMax,
                    FileBytesMax = (result.GetValue(_captureSize) ?? 0) * (long)KiB * KiB,
                    FilesMax = result.GetValue(_captureFiles) ?? new CaptureOptions().FilesMax,
                };
                port = new CapturePort(port, new(path, subject, options));
            }

            return port;
        }
        catch
        {
            (port as IDisposable)?.Dispose();
            throw;
        }
    }
}
