using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Rbd;

namespace Vireo.Tests.Backends.Block.Rbd;

public sealed class RbdAddressTests
{
    [Theory]
    [InlineData("rbd:pool/disk", "pool", "", "disk", null, null, null)]
    [InlineData("rbd:pool/space/disk@monday", "pool", "space", "disk", "monday", null, null)]
    [InlineData("rbd:p/d:conf=/etc/ceph/a.conf:id=vireo", "p", "", "d", null, "/etc/ceph/a.conf", "vireo")]
    [InlineData(@"rbd:p\/q/a\@b\:c@s:id=x\:y", "p/q", "", "a@b:c", "s", null, "x:y")]
    public void Parse_Address_IsTakenApart(
        string text,
        string pool,
        string space,
        string image,
        string? snapshot,
        string? file,
        string? user
    )
    {
        var address = RbdAddress.Parse(text);

        Assert.Equal(
            (pool, space, image, snapshot),
            (address.Pool, address.Namespace, address.Image, address.Snapshot)
        );
        Assert.Equal((file, user, text), (address.ConfigurationFile, address.User, address.Text));
        Assert.Empty(address.Settings);
    }

    [Fact]
    public void Parse_OtherOptions_AreTheClustersInTheirOrder()
    {
        var address = RbdAddress.Parse(@"rbd:p/d:mon_host=10.0.0.1\:6789:id=x:rados_osd_op_timeout=30:empty=");

        Assert.Equal(
            [new("mon_host", "10.0.0.1:6789"), new("rados_osd_op_timeout", "30"), new("empty", "")],
            address.Settings
        );
    }

    [Theory]
    [InlineData("nbd:p/d", "does not begin with rbd:")]
    [InlineData("rbd:", "a pool and an image")]
    [InlineData("rbd:disk", "a pool and an image")]
    [InlineData("rbd:a/b/c/d", "a pool and an image")]
    [InlineData("rbd:/disk", "the pool is missing")]
    [InlineData("rbd:pool//disk", "the namespace is missing")]
    [InlineData("rbd:pool/", "the image is missing")]
    [InlineData("rbd:pool/disk@", "the snapshot is missing")]
    [InlineData("rbd:pool/disk@a@b", "more than one @")]
    [InlineData("rbd:pool/disk:conf", "'conf' is not OPTION=VALUE")]
    [InlineData("rbd:pool/disk:", "'' is not OPTION=VALUE")]
    [InlineData("rbd:pool/disk:id=", "the user behind id= is missing")]
    [InlineData("rbd:pool/disk:conf=", "the file behind conf= is missing")]
    [InlineData(@"rbd:pool/disk\", "last backslash")]
    [InlineData("rbd:pool/di\0sk", "character 0")]
    public void Parse_WhatIsNone_SaysWhy(string text, string said)
    {
        ImageException exception = Assert.Throws<ImageException>(() => RbdAddress.Parse(text));

        Assert.Contains(said, exception.Message, StringComparison.Ordinal);
        Assert.Contains("rbd:POOL[/NAMESPACE]/IMAGE", exception.Message, StringComparison.Ordinal);
    }
}
