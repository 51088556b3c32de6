namespace Vireo.GuestTests.Rig;

/// <summary>The QEMUs guests run on.</summary>
public enum QemuVersion
{
    /// <summary>The newest one Debian packages (11.1 or later).</summary>
    Newest,

    /// <summary>Debian 12's (7.2).</summary>
    Debian12,
}
