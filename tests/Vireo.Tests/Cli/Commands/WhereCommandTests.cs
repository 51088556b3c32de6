namespace Vireo.Tests.Cli.Commands;

public sealed class WhereCommandTests
{
    [Fact]
    public void Where_Block_ShowsTheHostAndALineForEachHome()
    {
        var run = CommandRun.Of("where");

        Assert.Equal(0, run.ExitCode);
        foreach (string fact in (string[])["kvm", "vduse", "vhost-net", "io_uring", "hugepages"])
        {
            Assert.Contains($"  {fact} ", run.Output, StringComparison.Ordinal);
        }

        Assert.Contains("vireo block disk.raw --vhost-user /tmp/block.sock", run.Output, StringComparison.Ordinal);
        Assert.Contains("vhost-user-blk-pci", run.Output, StringComparison.Ordinal);
        Assert.Contains("\"driver\":\"vfio-user-pci\"", run.Output, StringComparison.Ordinal);
        Assert.Contains("vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0", run.Output, StringComparison.Ordinal);
        Assert.Contains("<disk type='vhostuser'", run.Output, StringComparison.Ordinal);
        Assert.Contains("cloud-hypervisor: --memory size=1G,shared=on --disk", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_DeviceThatKernelsRefuse_SaysSo()
    {
        var run = CommandRun.Of("where", "entropy");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("no kernel takes entropy devices", run.Output, StringComparison.Ordinal);
        Assert.Contains("vhost-user-rng-pci", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_UnknownDevice_IsRefused()
    {
        var run = CommandRun.Of("where", "toaster");

        Assert.Equal(2, run.ExitCode);
        Assert.Contains("there is no device 'toaster'", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("2")]
    [InlineData("4294967295")]
    public void Proxy_ContextIdThatHasAMeaning_IsRefused(string contextId)
    {
        var run = CommandRun.Of("proxy", "vhost-vsock", "--cid", contextId, "--vhost-user", "/nowhere/x.sock");

        Assert.Equal(2, run.ExitCode);
        Assert.Contains($"--cid is {contextId}", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "1", "--target is ''")]
    [InlineData("naa.1", "0", "--request-queues is 0")]
    [InlineData("naa.1", "129", "--request-queues is 129")]
    public void Proxy_ScsiHostThatCannotBe_IsRefused(string target, string queues, string expected)
    {
        var run = CommandRun.Of(
            "proxy",
            "vhost-scsi",
            "--target",
            target,
            "--request-queues",
            queues,
            "--vhost-user",
            "/nowhere/x.sock"
        );

        Assert.Equal(2, run.ExitCode);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Proxy_NodeThatIsNotThere_SaysWhatToDo()
    {
        var run = CommandRun.Of("proxy", "vhost-vdpa", "/dev/vhost-vdpa-999", "--vhost-user", "/nowhere/x.sock");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("'/dev/vhost-vdpa-999' is not there", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("a/b", "is no name for a device")]
    [InlineData("..", "is no name for a device")]
    public void Vduse_NameThatIsNone_IsRefused(string name, string expected)
    {
        var run = CommandRun.Of("block", "--memory=1M", "--vduse", name);

        Assert.NotEqual(0, run.ExitCode);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
    }
}
