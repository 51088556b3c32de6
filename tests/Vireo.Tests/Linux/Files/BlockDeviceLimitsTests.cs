using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;

namespace Vireo.Tests.Linux.Files;

/// <summary>On a loop device, which takes root to make.</summary>
public sealed class BlockDeviceLimitsTests : IDisposable
{
    private const int SizeBytes = 1 << 20;

    private readonly TemporaryFolder _folder = new();
    private string? _device;

    public void Dispose()
    {
        if (_device is not null)
        {
            Run("losetup", "--detach", _device);
        }

        _folder.Dispose();
    }

    [Fact]
    public void Of_LoopDevice_StatesItsLimits()
    {
        using SafeFileHandle device = OpenLoopDevice();

        var limits = BlockDeviceLimits.Of(device);

        Assert.Equal(SizeBytes, limits.SizeBytes);
        Assert.Equal(SizeBytes, HostFile.SizeOf(device));
        Assert.Equal(512, limits.LogicalBlockBytes);
        Assert.True(limits.PhysicalBlockBytes >= limits.LogicalBlockBytes);
        Assert.False(limits.IsReadOnly);
        Assert.True(limits.DiscardMaxBytes > 0);
        Assert.True(limits.DiscardGranularityBytes > 0);
    }

    [Fact]
    public void DiscardAndZeroOut_LoopDevice_MakeZeros()
    {
        using SafeFileHandle device = OpenLoopDevice();
        byte[] content = new byte[SizeBytes];
        Array.Fill(content, (byte)0x5A);
        Assert.Equal(SizeBytes, HostFile.Write(device, 0, content));

        Assert.Equal(0, BlockDeviceLimits.ZeroOut(device, 4096, 4096));
        Assert.Equal(0, BlockDeviceLimits.Discard(device, 65536, 65536));
        HostFile.Read(device, 0, content);

        Assert.Equal(0x5A, content[4095]);
        Assert.False(content.AsSpan(4096, 4096).ContainsAnyExcept((byte)0));
        Assert.Equal(0x5A, content[8192]);
        Assert.False(content.AsSpan(65536, 65536).ContainsAnyExcept((byte)0));
        Assert.Equal(0x5A, content[131072]);
    }

    private SafeFileHandle OpenLoopDevice()
    {
        Assert.SkipUnless(
            Environment.IsPrivilegedProcess && File.Exists("/dev/loop-control"),
            "needs root and loop devices"
        );
        string image = _folder["image"];
        File.WriteAllBytes(image, new byte[SizeBytes]);
        _device = Run("losetup", "--find", "--show", image).Trim();
        return HostFile.Open(_device, OpenFlags.ReadWrite);
    }

    private static string Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, UseShellExecute = false };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return output;
    }
}
